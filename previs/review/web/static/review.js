(() => {
  const config = JSON.parse(document.getElementById("review-words").textContent);
  const board = new URL("../../", location.href);
  const say = (text, values = {}) =>
    (config.words[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  const make = (tag, attributes = {}, ...inside) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(name, value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value != null) made.setAttribute(name, value);
    }
    made.append(...inside.filter((each) => each != null));
    return made;
  };
  const button = (text, attributes, ...inside) => make("button", { type: "button", ...attributes }, text, ...inside);
  const when = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  const time = (at) => make("time", { datetime: at }, when.format(new Date(at)));

  let state = null, tag = "", current = null, lost = false, begin;
  const ready = new Promise((done) => { begin = done; });
  const cards = new Map();
  const settled = () => Promise.all([...cards.values()].map((card) => card.queue));

  const may = (right) => {
    const rights = ["look", "comment", "decide"];
    return state && state.run === config.run && rights.indexOf(state.me.may) >= rights.indexOf(right);
  };
  const known = (card) => (state && state.shots.find((each) => each.label === card.label || each.shot === card.label)) || {
    shot: card.label, label: card.label, circled: null, last: 0, decision: null, comments: [],
  };

  // Requests

  const ask = async (path, options = {}) => {
    const answer = await fetch(new URL(path, board), { cache: "no-store", ...options });
    if (answer.status === 401 || answer.status === 410) location.reload();
    return answer;
  };
  const post = (path, body) =>
    ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

  const poll = async () => {
    try {
      const answer = await ask("state", tag ? { headers: { "If-None-Match": tag } } : {});
      if (answer.ok) take(await answer.json(), answer.headers.get("ETag"));
      else if (answer.status !== 304) throw new Error(String(answer.status));
      if (lost) { lost = false; bar(); }
    } catch { lost = true; bar(); }
  };
  const take = (found, etag) => {
    state = found;
    tag = etag || "";
    begin();
    for (const card of cards.values()) show(card);
    bar();
  };

  const named = () => {
    if (state.me.name || state.me.guest) return Promise.resolve(true);
    const input = make("input", { maxlength: 60, required: true, autocomplete: "name", "aria-label": say("Your name") });
    const box = make("dialog", { class: "review-dialog", "aria-label": say("What is your name?") });
    return new Promise((done) => {
      const form = make("form", { method: "dialog", submit: async (event) => {
        event.preventDefault();
        const answer = await post(new URL(config.root + "name", location.href), { name: input.value });
        if (answer.ok) { state.me.name = input.value.trim(); box.close("saved"); }
      } }, make("h2", {}, say("What is your name?")), make("p", {}, say("It stands beside what you say.")), input,
      make("p", { class: "review-row" }, make("button", { class: "review-main" }, say("Save")),
        button(say("Cancel"), { click: () => box.close() })));
      box.append(form);
      box.addEventListener("close", () => { box.remove(); done(box.returnValue === "saved"); });
      document.body.append(box);
      box.showModal();
    });
  };

  const notice = (card, text) => { card.notice.textContent = text; card.notice.hidden = !text; };
  const act = (card, wanted) => {
    // One after another, so that each has seen the one before.
    card.queue = card.queue.then(async () => {
      await ready;
      const action = typeof wanted === "function" ? wanted() : wanted;
      const deciding = ["approve", "again", "withdraw", "circle"].includes(action.kind);
      if (!may(deciding ? "decide" : "comment") || !(await named())) return false;
      notice(card, "");
      try {
        const { shot, last } = known(card);
        const answer = await post("events", { shot, seen: last, ...action });
        const said = await answer.json();
        if (answer.ok) { take(said, answer.headers.get("ETag")); return true; }
        await poll();
        notice(card, answer.status === 409
          ? say("{name} decided on this shot just now. Look, and decide again.", { name: said.by }) : String(said.error));
      } catch { notice(card, say("The server does not answer. What you say is not kept until it is back.")); }
      return false;
    });
    return card.queue;
  };

  // One shot

  const folded = (card, submit, label, value = "", hint = "") => {
    const text = make("textarea", { rows: 3, maxlength: 20000, "aria-label": label, dir: "auto" });
    text.value = value;
    const form = make("form", { class: "review-form", submit: async (event) => {
      event.preventDefault();
      if (await submit(text.value)) close();
    } }, make("label", {}, label, text), hint && make("p", { class: "review-soft" }, hint),
    make("p", { class: "review-row" }, make("button", { class: "review-main" }, say("Send")),
      button(say("Cancel"), { click: () => close() })));
    const close = () => { form.remove(); card.form = null; card.element.focus({ preventScroll: true }); };
    text.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    card.form?.remove();
    card.form = form;
    card.box.append(form);
    text.focus();
  };
  const comment = async (card) => {
    await ready;
    if (!may("comment")) return;
    folded(card, (text) => text.trim() && act(card, { kind: "comment", text }), say("Comment on shot {shot}", { shot: card.label }));
  };
  const again = async (card) => {
    await ready;
    if (!may("decide")) return;
    const answer = await ask("prompt?shot=" + encodeURIComponent(known(card).shot));
    const { prompt } = answer.ok ? await answer.json() : { prompt: "" };
    const asked = known(card).decision;
    const before = asked?.kind === "again" && asked.text ? asked.text : prompt;
    folded(card, (text) => act(card, { kind: "again", text: text.trim() === prompt.trim() ? "" : text }),
      say("Render shot {shot} again", { shot: card.label }) + " · " + say("New prompt"), before,
      say("Unchanged: one more take with the same prompt."));
  };
  const circle = (card, number) => {
    if (!card.takes.has(number)) return;
    act(card, () => ({ kind: "circle", take: known(card).circled === number ? null : number }));
  };
  const toggle = (card, kind) => act(card, () => {
    const { decision } = known(card);
    return { kind: decision?.kind === kind && !decision.stale ? "withdraw" : kind };
  });

  const build = (element) => {
    const card = { element, label: element.dataset.shot, takes: new Map(), queue: Promise.resolve(), form: null };
    element.tabIndex = -1;
    for (const figure of element.querySelectorAll("figure.take")) {
      if (figure.dataset.pass || !figure.querySelector(".stage:not(.missing)")) continue;
      const number = Number(figure.dataset.take);
      const mark = button(say("Circle"), { class: "review-circle", "aria-pressed": "false",
        "aria-label": say("Circle take {number}", { number }), click: () => circle(card, number) });
      figure.querySelector("figcaption").append(mark);
      card.takes.set(number, { figure, mark });
    }
    card.approve = button(say("Approve"), { class: "review-approve", "aria-pressed": "false", click: () => toggle(card, "approve") });
    card.again = button(say("Again"), { class: "review-again", "aria-pressed": "false", click: () => again(card) });
    card.comment = button(say("Comment"), { click: () => comment(card) });
    card.status = make("p", { class: "review-status", "aria-live": "polite" });
    card.notice = make("p", { class: "review-notice", role: "alert", hidden: true });
    card.thread = make("ol", { class: "review-thread" });
    card.box = make("div", { class: "review", role: "group", "aria-label": `${say("Review")} ${card.label}` },
      card.status, make("p", { class: "review-row" }, card.approve, card.again, card.comment), card.notice, card.thread);
    element.append(card.box);
    element.addEventListener("focusin", () => choose(card, false));
    element.addEventListener("click", () => choose(card, false));
    cards.set(element, card);
  };

  const show = (card) => {
    const { circled, decision, comments } = known(card);
    for (const [number, { figure, mark }] of card.takes) {
      const on = circled === number;
      figure.dataset.circled = on;
      mark.setAttribute("aria-pressed", on);
      mark.textContent = say(on ? "Circled" : "Circle");
      mark.disabled = !may("decide");
    }
    const kind = decision?.kind ?? "";
    card.element.dataset.review = kind + (decision?.stale ? " stale" : "");
    for (const [name, own] of [["approve", card.approve], ["again", card.again]]) {
      own.setAttribute("aria-pressed", kind === name && !decision.stale);
      own.hidden = !may("decide");
    }
    card.comment.hidden = !may("comment");
    card.status.replaceChildren(...(decision ? status(card, decision) : []));
    card.status.hidden = !decision;
    card.thread.replaceChildren(...comments.map((each) => line(card, each)));
    card.thread.hidden = !comments.length;
    card.open = comments.filter((each) => !each.resolved).length;
    filter(card);
  };
  const status = (card, { kind, by, at, take: number, text, stale }) => {
    const change = kind === "approve" ? "the picture has changed since" : "there is a new picture since";
    const head = [make("b", {}, say(kind === "approve" ? "Approved" : "Asked for again")), " · ", make("bdi", {}, by),
      ...(kind === "approve" && number ? [" · ", say("take {number}", { number })] : []), " · ", time(at)];
    if (stale) head.push(" ", make("span", { class: "review-stale" }, say(change)));
    if (may("decide")) head.push(" ", button(say("Undo"), { class: "review-link", "aria-label": say("Withdraw the decision"),
      click: () => act(card, { kind: "withdraw" }) }));
    if (kind === "again" && text) head.push(make("q", { dir: "auto" }, text));
    return head;
  };
  const line = (card, { number, by, at, text, resolved, stale, take: about }) => make("li",
    { class: resolved ? "review-resolved" : null },
    make("p", { class: "review-soft" }, make("b", { dir: "auto" }, by), " · ", time(at),
      ...(about && card.takes.size > 1 ? [" · ", say("take {number}", { number: about })] : []),
      ...(stale ? [" ", make("span", { class: "review-stale" }, say("on an earlier picture"))] : []),
      ...(resolved ? [" · ", say("resolved by {name}", { name: resolved })] : [])),
    make("p", { class: "review-said", dir: "auto" }, text),
    may("comment") ? button(say(resolved ? "Reopen" : "Resolve"), { class: "review-link",
      click: () => act(card, { kind: resolved ? "reopen" : "resolve", about: number }) }) : null);

  // The bar

  const FILTERS = {
    "All shots": () => true,
    "Without decision": ({ element }) => !element.dataset.review || element.dataset.review.endsWith("stale"),
    "To render again": ({ element }) => element.dataset.review === "again",
    "With open comments": ({ open }) => open > 0,
    "Changed since approved": ({ element }) => element.dataset.review === "approve stale",
  };
  const filters = make("select", { "aria-label": say("Show"), change: () => cards.forEach(filter) },
    ...Object.keys(FILTERS).map((name) => make("option", { value: name }, say(name))));
  const filter = (card) => { card.element.hidden = !FILTERS[filters.value](card); };
  const counts = make("span", { class: "review-counts" });
  const live = make("span", { class: "review-live", "aria-live": "polite" });
  const foot = make("aside", { class: "review-bar", "aria-label": say("Review") },
    make("a", { href: new URL(config.root, location.href).href }, say("All boards")), filters, counts, live,
    button(say("Keys"), { class: "review-keys-button", click: () => keys() }));
  let drawn = "";
  const bar = () => {
    const now = JSON.stringify([lost, state?.run, state?.version, state?.activity, state?.answer, state?.me, said]);
    const all = [...cards.values()];
    const approved = all.filter(({ element }) => element.dataset.review === "approve").length;
    counts.textContent = say("{count} of {all} approved", { count: approved, all: all.length });
    if (now === drawn) return;
    drawn = now;
    live.replaceChildren(...news());
  };
  let said = "";
  const news = () => {
    if (lost) return [make("strong", { class: "review-stale" }, say("The server does not answer. What you say is not kept until it is back."))];
    if (!state) return [];
    const found = [], { activity, answer, me } = state;
    first ??= state.run === config.run ? state.version : "";
    if (state.version !== first) {
      found.push(make("strong", {}, say("This board was published again.")), " ",
        make("a", { href: board.href, class: "review-show" }, say("Show it")));
      if (state.run !== config.run) found.push(say("This run is not the latest: look only."));
    }
    if (activity?.asks) {
      found.push(say("A run waits for this review."));
      if (may("decide")) found.push(button(say("Send the review to the run"), { class: "review-main", title:
        say("{chosen} takes chosen, {again} shots to render again", answer), click: send }));
    } else if (activity && !["FAILED", "CRASHED"].includes(activity.state)) {
      const waits = ["PENDING", "SCHEDULED"].includes(activity.state);
      found.push(make("span", { class: "review-work" }, say(waits ? "A run waits to be started." : "A run is at work on this board.")));
    } else if (activity || answer.again) {
      if (activity) found.push(make("strong", { class: "review-stale" }, say("The last run of this board failed.")), " ", activity.reason);
      const count = answer.again;
      if (count && may("decide") && !me.guest) found.push(button(say("Render again"), { class: "review-main", click: render }));
      if (count) found.push(say(count === 1 ? "1 shot to render again" : "{count} shots to render again", { count }));
    }
    if (activity?.page) found.push(make("a", { href: activity.page, target: "_blank", rel: "noreferrer" }, say("Open in Prefect")));
    if (said) found.push(make("strong", {}, said));
    return found;
  };
  let first = null;
  const tell = (text) => { said = text; bar(); };
  const send = async ({ target }) => {
    target.disabled = true;
    await settled();
    const answer = await post("answer", {});
    tell(answer.ok ? say("The run has the review and goes on.") : String((await answer.json()).error));
    poll();
  };
  const render = async ({ target }) => {
    target.disabled = true;
    await settled();
    const answer = await post("render", {});
    const { started, command, notices, complete, error } = await answer.json();
    tell(answer.ok ? (started ? say("The run has started.") : "") : String(error));
    if (answer.ok && !started) typed(command, complete ? notices : [...notices, say("This list names files relative to the folder of the list that was run, which is not known here: copy it there, and run it from there.")]);
    target.disabled = false;
    poll();
  };
  const open = (title, inside, ...buttons) => {
    const box = make("dialog", { class: "review-dialog", "aria-label": title, close: () => box.remove() },
      make("h2", {}, title), ...inside,
      make("p", { class: "review-row" }, ...buttons, button(say("Close"), { autofocus: true, click: () => box.close() })));
    document.body.append(box);
    box.showModal();
    return box;
  };
  const typed = (command, notices) => open(say("Type this where previs is installed:"),
    [make("pre", { class: "review-command", tabindex: 0 }, command),
      ...notices.map((each) => make("p", { class: "review-soft", dir: "auto" }, each))],
    button(say("Copy"), { class: "review-main", click: async ({ target }) => {
      // Over HTTP, browsers let no page copy: the command is selected instead.
      try { await navigator.clipboard.writeText(command); target.textContent = say("Copied"); } catch { getSelection().selectAllChildren(document.querySelector(".review-command")); }
    } }));
  const keys = () => open(say("Keys"), [make("dl", { class: "review-keys" }, ...[
    ["j k ← →", "next and previous shot"], ["1–9", "circle a take"], ["a", "approve"], ["g", "again"], ["c", "comment"],
    ["u", "withdraw the decision"],
  ].map(([key, what]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, say(what)))))]);

  // Keys

  const choose = (card, move) => {
    if (current !== card) current?.element.classList.remove("review-current");
    current = card;
    card.element.classList.add("review-current");
    if (move) { card.element.focus({ preventScroll: true }); card.element.scrollIntoView({ block: "nearest" }); }
  };
  const step = (by) => {
    const all = [...cards.values()].filter(({ element }) => !element.hidden);
    const at = all.indexOf(current);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    if (next) choose(next, true);
  };
  document.addEventListener("keydown", (event) => {
    const inField = event.target.closest?.("input, textarea, select, video, audio, summary, [contenteditable]");
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || inField) return;
    if (document.querySelector("dialog[open]")) return;
    const moves = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 };
    const does = { a: (card) => toggle(card, "approve"), g: again, c: comment, u: (card) => act(card, { kind: "withdraw" }) };
    if (moves[event.key]) step(moves[event.key]);
    else if (current && does[event.key]) does[event.key](current);
    else if (current && /^[1-9]$/.test(event.key)) circle(current, Number(event.key));
    else return;
    event.preventDefault();
  });

  document.querySelectorAll("article.shot").forEach(build);
  document.body.classList.add("review-on");
  document.body.append(foot);
  const again_and_again = async () => {
    await poll();
    setTimeout(again_and_again, document.hidden ? 30000 : 3000);
  };
  document.addEventListener("visibilitychange", () => document.hidden || poll());
  again_and_again();
})();
