(() => {
  const box = document.querySelector("dialog");
  const stills = [...document.querySelectorAll(".picture")];
  if (!box.showModal || !stills.length) return;
  const large = box.querySelector("img"), words = box.querySelector("p");
  let at = 0;
  const show = (place) => {
    at = (place + stills.length) % stills.length;
    const small = stills[at].querySelector("img");
    large.onerror = () => { large.onerror = null; large.src = small.src; };
    large.src = stills[at].href || small.src;
    words.textContent = large.alt = small.alt;
    words.lang = stills[at].closest(".shot").querySelector(".words").lang;
  };
  stills.forEach((still, place) => still.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    show(place);
    box.showModal();
  }));
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); show(at + step); }
  });
  box.addEventListener("click", ({ target }) => {
    if (target.matches(".next")) show(at + 1);
    else if (target.matches(".previous")) show(at - 1);
    else if (!target.matches("p")) box.close();
  });
  box.addEventListener("close", () => { large.onerror = null; large.removeAttribute("src"); stills[at].focus(); });
  addEventListener("beforeprint", () => document.querySelectorAll("img").forEach((image) => { image.loading = "eager"; }));
})();
