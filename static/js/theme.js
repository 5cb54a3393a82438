// Runs before the first paint, so that a chosen look does not flash; the server's choice is in the page already.
(() => {
  try {
    const root = document.documentElement;
    for (const name of ["theme", "direction", "density"]) {
      const chosen = localStorage.getItem(`portal.${name}`);
      if (chosen && /^[a-z]{1,12}$/.test(chosen)) root.dataset[name] = chosen;
    }
  } catch {
    // Storage may be closed to us; the server's choice stands.
  }
})();
