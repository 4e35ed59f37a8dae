// Which view is shown. The address says it after `#`, with what is shown in it after a slash, so that both can be
// linked to and gone back from.

const TITLE = "Weightcast";

const views = () => [...document.querySelectorAll("[data-view]")];

/** @returns {string} the view that is shown */
export const currentView = () => views().find((view) => !view.hidden).dataset.view;

/** @param {string} name of a view, and after a slash what of it */
export function openView(name) {
  location.hash = name;
}

/** Say in the address what is shown now, without a further entry in the history for the same. @param {string} name */
export function nameView(name) {
  if (location.hash !== `#${name}`) history.pushState(null, "", `#${name}`);
}

/** Follow the address from now on. @param {(name: string, detail: string) => void} onShow told of every view that is shown */
export function setUpViews(onShow) {
  const show = (moved) => {
    const [asked, detail = ""] = location.hash.slice(1).split(/\/(.*)/s);
    const view = views().find((each) => each.dataset.view === (asked || "predict"));
    // Other anchors of the page, such as the content's, leave the view as it is.
    if (!view) return;
    const isOther = view.hidden;
    for (const each of views()) each.hidden = each !== view;
    for (const link of document.querySelectorAll("nav.views a")) {
      if (link.getAttribute("href") === `#${view.dataset.view}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const heading = view.querySelector("h2");
    document.title = view.dataset.view === "predict" ? TITLE : `${view.dataset.title}, ${TITLE}`;
    if (moved && isOther) {
      heading.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    onShow(view.dataset.view, detail);
  };
  addEventListener("hashchange", () => show(true));
  // Going back over an address that was named without a move.
  addEventListener("popstate", () => show(true));
  show(false);
}
