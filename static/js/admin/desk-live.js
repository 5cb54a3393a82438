// Keep the risk desk's overview current: the server renders it, this fetches it again.
class DeskLive extends HTMLElement {
  connectedCallback() {
    const seconds = Number(this.getAttribute("seconds")) || 5;
    this.timer = setInterval(() => this.refresh(), seconds * 1000);
    this.onVisible = () => this.refresh();
    document.addEventListener("visibilitychange", this.onVisible);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
    this.asking?.abort();
  }

  async refresh() {
    // A link with the focus is about to be followed: do not take it away.
    if (document.hidden || this.asking || this.contains(document.activeElement)) return;
    this.asking = new AbortController();
    try {
      const answer = await fetch(location.pathname, { signal: this.asking.signal, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("desk-live");
      if (!answer.ok || !fresh) throw new Error("no overview in the answer");
      this.replaceChildren(...document.adoptNode(fresh).childNodes);
      this.classList.remove("desk-stale");
    } catch {
      this.classList.add("desk-stale");
    } finally {
      this.asking = null;
    }
  }
}

customElements.define("desk-live", DeskLive);
