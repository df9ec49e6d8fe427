(() => {
  const texts = [...document.querySelectorAll(".cut")];
  const { more, less } = document.body.dataset;
  const button = (text) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "all";
    made.addEventListener("click", () => { text.classList.toggle("whole"); name(text, made); });
    text.after(made);
    return made;
  };
  const name = (text, made) => {
    const whole = text.classList.contains("whole");
    made.textContent = whole ? less : more;
    made.setAttribute("aria-expanded", whole);
  };
  const measure = () => {
    const cut = texts.map((text) => text.classList.contains("whole") || text.scrollHeight > text.clientHeight + 1);
    texts.forEach((text, place) => {
      const made = text.nextElementSibling;
      if (cut[place] && !made) name(text, button(text));
      if (!cut[place] && made) made.remove();
    });
  };
  document.body.classList.add("folds");
  measure();
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; measure(); } });
  document.fonts.ready.then(measure);
})();
