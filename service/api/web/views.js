// Which view is shown. The address says it after `#`, so that a view can be linked to and gone back from.

const TITLE = "Weightcast";

const views = () => [...document.querySelectorAll("[data-view]")];

/** @returns {string} the view that is shown */
export const currentView = () => views().find((view) => !view.hidden).dataset.view;

/** @param {string} name */
export function openView(name) {
  location.hash = name;
}

/** Follow the address from now on. @param {(name: string) => void} onShow told of every view that is shown */
export function setUpViews(onShow) {
  const show = (moved) => {
    const asked = location.hash.slice(1) || "predict";
    // Other anchors of the page, such as the content's, leave the view as it is.
    const view = views().find((each) => each.dataset.view === asked);
    if (!view) return;
    for (const each of views()) each.hidden = each !== view;
    for (const link of document.querySelectorAll("nav.views a")) {
      if (link.getAttribute("href") === `#${asked}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const heading = view.querySelector("h2");
    document.title = asked === "predict" ? TITLE : `${heading.textContent}, ${TITLE}`;
    if (moved) {
      heading.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    onShow(asked);
  };
  addEventListener("hashchange", () => show(true));
  show(false);
}
