// While a shipment moves by itself its story is asked for anew; without scripts the page has a link that does so.
const every = 2000;
async function look() {
  const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
  if (answer.ok && !answer.redirected) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [old, fresh] = [document.getElementById("live"), page.getElementById("live")];
    // Whoever is about to press a button must not lose it.
    if (fresh && old.outerHTML !== fresh.outerHTML && !old.contains(document.activeElement)) old.replaceWith(fresh);
  }
  if (document.getElementById("live").hasAttribute("data-live")) setTimeout(look, every);
}
setTimeout(look, every);
