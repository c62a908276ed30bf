// While a shipment moves by itself its story is asked for anew, less and less often while nothing happens; without
// scripts the page has a link that does so. Asking is no use of the session: whoever left the desk is logged out.
const soonest = 2000, latest = 30000;
let wait = soonest;

async function look() {
  if (!document.hidden) {
    const answer = await fetch(location.pathname, { headers: { "x-alone": "1" } }).catch(() => null);
    const old = document.getElementById("live");
    if (answer?.redirected) return location.reload();
    if (answer?.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      const isNew = fresh && old.outerHTML !== fresh.outerHTML;
      // Whoever is about to press a button must not lose it.
      if (isNew && !old.contains(document.activeElement)) old.replaceWith(fresh);
      wait = isNew ? soonest : Math.min(wait * 1.3, latest);
    }
    if (!document.getElementById("live").hasAttribute("data-live")) return;
  }
  setTimeout(look, wait);
}
setTimeout(look, wait);
