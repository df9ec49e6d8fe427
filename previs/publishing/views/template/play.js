/* The board as a film. Its clock is performance.now(): each shot begins at its frame, however late others were. */
const BEHIND = 1, AHEAD = 4;

const player = (box) => {
  const find = (name) => box.querySelector(name);
  const { fps, wholeRate } = document.querySelector("#shots").dataset;
  const [frames, seconds = 1] = fps.split("/").map(Number), rate = Number(wholeRate);
  const screen = find(".screen"), position = find(".position"), volume = find(".volume"), toggle = find(".toggle");
  const theatre = find(".theatre"), marks = find(".marks"), now = find(".now"), captions = find(".captions");
  const slots = new Map();
  let cues = [], total = 0, at = 0, current = -1, from = 0, since = null, muted = false, captioned = true, opener = null;

  const timecode = (frame) => {
    const whole = Math.floor(frame / rate);
    const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60, frame % rate];
    const digits = [2, 2, 2, Math.max(2, String(rate - 1).length)];
    return parts.map((part, place) => String(part).padStart(digits[place], "0")).join(":");
  };
  const cueAt = (frame) => {
    let low = 0, high = cues.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (cues[middle].start <= frame) low = middle; else high = middle - 1;
    }
    return low;
  };
  const readCues = () => {
    total = 0;
    cues = [...document.querySelectorAll("article.shot")].map((shot) => {
      const take = shot.querySelector("[data-shown]"), frames = Number(shot.dataset.frames);
      const cue = { shot, start: total, frames, seen: take?.querySelector(STILLS), heard: take?.querySelector("audio") };
      total += frames;
      return cue;
    }).filter((cue) => cue.frames > 0);
    position.max = total - 1;
    find(".total").textContent = timecode(total);
    const paths = marks.querySelectorAll("path");
    marks.setAttribute("viewBox", `0 0 ${total} 1`);
    paths[0].setAttribute("d", cues.slice(1).map(({ start }) => `M${start} 0V1`).join(""));
    const lacking = cues.filter(({ seen }) => !seen).map((cue) => `M${cue.start} 0h${cue.frames}v1h-${cue.frames}z`);
    paths[1].setAttribute("d", lacking.join(""));
    find(".loud").hidden = !cues.some(({ seen, heard }) => heard || seen && filmOf(seen));
  };

  /* A paragraph may have a button beside it that unfolds it. */
  const text = (cue, name) => {
    const part = cue.shot.querySelector(name);
    return (part?.querySelector("p") ?? part)?.textContent.trim() || "";
  };
  const slate = (cue) => {
    const missing = cue.shot.querySelector(".missing"), card = made("div", { className: "slate" });
    card.append(made("b", { textContent: cue.shot.dataset.shot, dir: "auto" }));
    if (cue.heard || !missing) card.append(made("p", { textContent: text(cue, ".description dd") || text(cue, ".words"), dir: "auto" }));
    else card.append(...[...missing.children].map((part) => part.cloneNode(true)));
    return card;
  };
  const film = (tag, source, poster) => {
    const medium = made(tag, { preload: "auto", playsInline: true, muted, volume: volume.value / 100 });
    if (poster) medium.poster = poster;
    medium.src = source;
    const placed = () => { if (medium.closest(".on")) sync(); };
    for (const event of ["loadeddata", "seeked"]) medium.addEventListener(event, placed);
    return medium;
  };
  const slot = (cue) => {
    const { seen, heard } = cue, element = made("div", { className: "slot" }), media = [];
    if (!seen) element.append(slate(cue));
    else if (!filmOf(seen)) {
      const image = made("img", { alt: altOf(seen) });
      load(image, smallOf(seen), fullOf(seen));
      element.append(image);
    } else media.push(film("video", filmOf(seen), smallOf(seen)));
    if (heard) media.push(film("audio", heard.src));
    element.append(...media);
    screen.append(element);
    return { element, media };
  };
  const drop = (index) => {
    const { element, media } = slots.get(index);
    media.forEach(stop);
    element.querySelectorAll("img").forEach(unload);
    element.remove();
    slots.delete(index);
  };
  /* Keep the shots around this one, and no others. */
  const keep = (index) => {
    const wanted = index < 0 ? [] : between(Math.max(0, index - BEHIND), Math.min(cues.length, index + AHEAD + 1));
    for (const each of [...slots.keys()]) if (!wanted.includes(each)) drop(each);
    for (const each of wanted) if (!slots.has(each)) slots.set(each, slot(cues[each]));
  };

  const silence = () => {
    find(".mute").setAttribute("aria-pressed", muted);
    const media = [...slots.values()].flatMap((slot) => slot.media);
    for (const medium of media) Object.assign(medium, { muted, volume: volume.value / 100 });
  };
  /* Browsers may refuse to play sound; then it is muted, and the button shows so. */
  const refused = ({ name }) => { if (name === "NotAllowedError") { muted = true; silence(); } };
  /* A clip is cut where its shot ends, or held on its last picture until then. */
  const sync = () => {
    const time = (at - cues[current].start + 0.5) * seconds / frames;
    for (const medium of slots.get(current).media) {
      if (medium.error || !medium.readyState) continue;
      const end = Number.isFinite(medium.duration) ? medium.duration : time, place = Math.min(time, end);
      const isHeld = since === null || time >= end, near = isHeld ? 0.4 * seconds / frames : 0.15;
      if (!medium.seeking && Math.abs(medium.currentTime - place) > near) medium.currentTime = place;
      if (isHeld) medium.pause();
      else if (medium.paused) medium.play().catch(refused);
    }
  };
  const enter = (index) => {
    slots.get(current)?.media.forEach((medium) => medium.pause());
    current = index;
    keep(index);
    for (const [each, { element }] of slots) element.classList.toggle("on", each === index);
    const cue = cues[index], [said, done] = captions.children;
    now.textContent = cue.shot.dataset.shot;
    for (const [line, name] of [[said, ".dialogue dd"], [done, ".description dd"]]) {
      line.textContent = line === said || cue.seen ? text(cue, name) : "";
      line.lang = cue.shot.querySelector(name)?.lang || "";
    }
  };
  const show = (frame) => {
    at = frame;
    const index = cueAt(frame), changed = index !== current;
    if (changed) enter(index);
    position.value = frame;
    find(".code").textContent = timecode(frame);
    if (changed || since === null) position.setAttribute("aria-valuetext", `${now.textContent}, ${timecode(frame)}`);
    sync();
  };
  const tick = () => {
    if (since === null) return;
    const frame = from + Math.floor((performance.now() - since) * frames / seconds / 1000 + 1e-6);
    if (frame >= total) { setPlaying(false); return show(total - 1); }
    if (frame !== at) show(frame); else sync();
    requestAnimationFrame(tick);
  };
  const setPlaying = (wanted) => {
    if (wanted === (since !== null)) return;
    if (wanted) from = at >= total - 1 ? 0 : at;
    since = wanted ? performance.now() : null;
    now.setAttribute("aria-live", wanted ? "off" : "polite");
    toggle.setAttribute("aria-label", wanted ? box.dataset.pause : box.dataset.play);
    toggle.classList.toggle("playing", wanted);
    if (wanted) { show(from); requestAnimationFrame(tick); } else sync();
  };
  const seek = (frame) => {
    from = clamped(frame, 0, total - 1);
    if (since !== null) since = performance.now();
    show(from);
  };
  const toShot = (index) => seek(cues[clamped(index, 0, cues.length - 1)].start);
  const setCaptioned = (wanted) => {
    captioned = wanted;
    find(".captioned").setAttribute("aria-pressed", captioned);
    captions.hidden = !captioned;
  };

  const buttons = {
    toggle: () => setPlaying(since === null),
    back: () => toShot(current - 1),
    forth: () => toShot(current + 1),
    captions: () => setCaptioned(!captioned),
    mute: () => { muted = !muted; silence(); },
    whole: () => document.fullscreenElement ? document.exitFullscreen() : theatre.requestFullscreen(),
    close: () => box.close(),
  };
  box.addEventListener("click", ({ target, detail }) => {
    const does = target.closest("button")?.dataset.does;
    buttons[does]?.();
    /* After a click the space bar plays, and does not press that button again. */
    if (detail && does && does !== "close") toggle.focus();
    if (target.closest(".screen")) buttons.toggle();
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === volume && event.key !== " ") return;
    const frame = (by) => () => { setPlaying(false); seek(at + by); };
    const does = {
      ArrowRight: buttons.forth, ArrowLeft: buttons.back, Home: () => seek(0), End: () => toShot(cues.length - 1),
      ",": frame(-1), ".": frame(1), " ": event.target.closest("button") ? null : buttons.toggle,
    }[event.key];
    if (does) { event.preventDefault(); does(); }
  });
  position.addEventListener("input", () => seek(Number(position.value)));
  volume.addEventListener("input", () => { muted = false; silence(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden) setPlaying(false); });
  box.addEventListener("close", () => {
    if (box.open) return;
    const stopped = at > 0 && at < total - 1 && cues[current].seen;
    setPlaying(false);
    keep(-1);
    current = -1;
    (stopped || opener)?.focus();
  });
  find(".whole").hidden = !document.fullscreenEnabled;

  return (shot) => {
    readCues();
    opener = document.activeElement;
    box.showModal();
    seek(cues.find((cue) => cue.shot === shot)?.start ?? 0);
    if (!wantsLittleMotion()) setPlaying(true);
  };
};

const start = window.HTMLDialogElement && document.querySelector("button.play");
const play = start && player(document.querySelector(".player"));
if (start) {
  start.hidden = document.querySelector(".viewer .from").hidden = false;
  start.addEventListener("click", () => play(document.querySelector("article:target")));
}
if (window.HTMLDialogElement) viewer(document.querySelector(".viewer"));
