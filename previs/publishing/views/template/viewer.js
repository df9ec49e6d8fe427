/* The large view: one picture that can be zoomed, or two with a wipe between them. */
const viewer = (box) => {
  const find = (name) => box.querySelector(name);
  const view = find(".view"), [large, other] = box.querySelectorAll(".layer"), caption = find("p");
  const films = [...box.querySelectorAll("video")];
  const wipe = find(".wipe"), sides = find(".sides"), [left, right] = box.querySelectorAll("select");
  let stills = [], choices = [], at = 0, comparing = false, scale = 1, x = 0, y = 0;

  const shotOf = (still) => still.closest(".shot");
  const nameOf = (still) => {
    const { take, pass } = still.closest("[data-take]").dataset;
    const words = box.dataset.numbered.replace("{number}", take);
    const beside = stillsOf(still.closest("[data-take]"));
    return (pass ? `${pass} · ${words}` : words) + (beside.length > 1 ? ` (${beside.indexOf(still) + 1})` : "");
  };

  const moved = () => {
    x = clamped(x, -view.clientWidth * (scale - 1) / 2, view.clientWidth * (scale - 1) / 2);
    y = clamped(y, -view.clientHeight * (scale - 1) / 2, view.clientHeight * (scale - 1) / 2);
    for (const each of box.querySelectorAll(".layer > *")) each.style.transform = scale > 1 ? `translate(${x}px, ${y}px) scale(${scale})` : "";
    view.classList.toggle("zoomed", scale > 1);
    find(".out").disabled = scale <= 1;
    find(".in").disabled = scale >= 16;
  };
  /* Zoom so that what is at a place stays there; places are measured from the middle. */
  const zoom = (wanted, place = [0, 0]) => {
    const next = clamped(wanted, 1, 16);
    x = place[0] - (place[0] - x) * next / scale;
    y = place[1] - (place[1] - y) * next / scale;
    scale = next;
    moved();
  };
  const placeOf = ({ clientX, clientY }) => {
    const around = view.getBoundingClientRect();
    return [clientX - around.left - around.width / 2, clientY - around.top - around.height / 2];
  };
  /* One pixel of the picture on one of the screen, but at least twice as large as before. */
  const toggleZoom = (place) => {
    const { naturalWidth: width, naturalHeight: height } = large.children[0];
    const fit = Math.min(view.clientWidth / width, view.clientHeight / height) || 1;
    zoom(scale > 1 ? 1 : Math.max(2, 1 / fit / devicePixelRatio), place);
  };

  const fill = (layer, { name, small, full, film }) => {
    const [image, video] = layer.children;
    image.hidden = Boolean(film);
    video.hidden = !film;
    unload(image);
    stop(video);
    if (!film) { load(image, small, full); image.alt = name; return; }
    video.setAttribute("aria-label", name);
    video.poster = small;
    video.src = film;
    if (!wantsLittleMotion()) video.play().catch(() => {});
  };
  const empty = (layer) => { unload(layer.children[0]); stop(layer.children[1]); };
  const toggleFilms = () => {
    const isStill = films.every((film) => film.paused);
    for (const film of films) if (film.hidden || !isStill) film.pause(); else film.play().catch(() => {});
  };

  const sources = (still) => ({ small: smallOf(still), full: fullOf(still), film: filmOf(still) });
  const pictures = (shot) => {
    const found = stillsOf(shot).map((still) => ({ still, name: nameOf(still), ...sources(still) }));
    const { before } = shot.dataset;
    return before ? [...found, { name: box.dataset.earlier, small: before, full: before }] : found;
  };
  /* A pass is compared with what it was made from, which stands behind it; else the last run's frame, or the next take. */
  const against = (place) => {
    const { still } = choices[place], { take, pass } = still.closest("[data-take]").dataset;
    const source = pass ? choices.findIndex((choice, index) =>
      index > place && choice.still && choice.still.closest("[data-take]").dataset.take === take) : -1;
    if (source >= 0) return source;
    return choices.at(-1).still ? (place + 1) % choices.length : choices.length - 1;
  };
  const split = () => {
    view.style.setProperty("--wipe", wipe.value / 100);
    wipe.setAttribute("aria-valuetext", `${wipe.value} %`);
  };
  const compare = () => {
    const [one, two] = [choices[left.value], choices[right.value]];
    fill(large, one);
    fill(other, two);
  };
  const setComparing = (wanted) => {
    comparing = wanted && choices.length > 1;
    find(".compare").setAttribute("aria-pressed", comparing);
    for (const part of [sides, wipe, other]) part.hidden = !comparing;
    if (!comparing) return show(at);
    const place = choices.findIndex(({ still }) => still === stills[at]);
    for (const [select, value] of [[left, against(place)], [right, place]]) {
      select.replaceChildren(...choices.map(({ name }, index) => made("option", { value: index, textContent: name })));
      select.value = value;
    }
    wipe.value = 50;
    split();
    compare();
  };

  const show = (place) => {
    at = (place + stills.length) % stills.length;
    const still = stills[at], shot = shotOf(still);
    choices = pictures(shot);
    find(".compare").hidden = choices.length < 2;
    zoom(1);
    caption.textContent = altOf(still);
    caption.lang = shot.querySelector(".words")?.lang || "";
    if (comparing) return setComparing(true);
    for (const part of [sides, wipe, other]) part.hidden = true;
    empty(other);
    fill(large, { name: altOf(still), ...sources(still) });
  };
  /* While two pictures are compared, a step leads to the next shot that has two. */
  const step = (by) => {
    if (!comparing) return show(at + by);
    const shots = [...new Set(stills.map(shotOf))], rest = by > 0 ? shots : shots.reverse();
    const next = rest.slice(rest.indexOf(shotOf(stills[at])) + 1).find((shot) => pictures(shot).length > 1);
    if (next) show(stills.findIndex((still) => shotOf(still) === next));
  };

  document.addEventListener("click", (event) => {
    const still = event.target.closest("a.picture, button.picture, a.clip[data-film]");
    if (!still || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    stills = stillsOf(document);
    comparing = false;
    box.showModal();
    show(stills.indexOf(still));
  });
  box.addEventListener("close", () => {
    if (box.open) return;
    empty(large);
    empty(other);
    stills[at].focus();
  });
  const buttons = {
    next: () => step(1),
    previous: () => step(-1),
    in: () => zoom(scale * 1.5),
    out: () => zoom(scale / 1.5),
    compare: () => { setComparing(!comparing); if (comparing) wipe.focus(); },
    from: () => { box.close(); play(shotOf(stills[at])); },
    close: () => box.close(),
  };
  box.addEventListener("click", ({ target }) => buttons[target.closest("button")?.dataset.does]?.());
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    const does = { "+": buttons.in, "=": buttons.in, "-": buttons.out, 0: () => zoom(1),
      " ": event.target.closest("button") ? null : toggleFilms }[event.key];
    if (way && event.target === wipe || !way && !does) return;
    event.preventDefault();
    if (does) return does();
    if (scale === 1) return step(way[0] + way[1]);
    x -= way[0] * view.clientWidth / 8;
    y -= way[1] * view.clientHeight / 8;
    moved();
  });
  wipe.addEventListener("input", split);
  sides.addEventListener("change", compare);

  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(scale * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), placeOf(event));
  }, { passive: false });
  /* Two films are seen at the same time of each. */
  films[0].addEventListener("timeupdate", () => {
    const [{ currentTime }, second] = films;
    if (films.some((film) => film.hidden || film.seeking) || currentTime > second.duration) return;
    if (Math.abs(second.currentTime - currentTime) > 0.15) second.currentTime = currentTime;
  });
  view.addEventListener("dblclick", (event) => toggleZoom(placeOf(event)));
  /* Fingers and the mouse: one drags, two pinch; a swipe turns the page, two taps zoom. */
  const pointers = new Map();
  let start = null, tapped = -1000;
  const middle = () => {
    const [one, two = one] = [...pointers.values()].map(placeOf);
    return { place: [(one[0] + two[0]) / 2, (one[1] + two[1]) / 2], apart: Math.hypot(one[0] - two[0], one[1] - two[1]) };
  };
  view.addEventListener("pointerdown", (event) => {
    if (event.target === wipe) return;
    view.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    start = pointers.size === 1 ? event : null;
  });
  view.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = middle();
    pointers.set(event.pointerId, event);
    const { place, apart } = middle();
    x += place[0] - before.place[0];
    y += place[1] - before.place[1];
    zoom(before.apart ? scale * apart / before.apart : scale, place);
  });
  const lifted = (event) => {
    if (!pointers.delete(event.pointerId) || !start || event.type !== "pointerup" || event.pointerType === "mouse") return;
    const across = event.clientX - start.clientX, down = event.clientY - start.clientY;
    if (scale === 1 && Math.abs(across) > 50 && Math.abs(across) > 2 * Math.abs(down)) return step(across < 0 ? 1 : -1);
    if (Math.hypot(across, down) > 12) return;
    if (event.timeStamp - tapped < 350) toggleZoom(placeOf(event));
    tapped = event.timeStamp - tapped < 350 ? -1000 : event.timeStamp;
  };
  view.addEventListener("pointerup", lifted);
  view.addEventListener("pointercancel", lifted);
};
