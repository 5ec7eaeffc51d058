// Keeps pages live. Parts of a page name the events after which they are fetched again (hx-trigger="gateway:camera from:body").
(() => {
  "use strict";
  const address = document.body.dataset.stream;
  const banner = document.getElementById("connection");
  const pending = new Map();

  const AGE_UNITS = [["second", 1, 90], ["minute", 60, 5400], ["hour", 3600, 172800], ["day", 86400, Infinity]];
  const ages = new WeakMap();

  // Several events within a moment refresh a part once.
  function announce(name, detail) {
    if (pending.has(name)) return;
    pending.set(name, setTimeout(() => {
      pending.delete(name);
      document.body.dispatchEvent(new CustomEvent(name, { detail }));
    }, 250));
  }

  // Only a page that somebody sees listens: a browser opens six connections to a gateway, for all its pages together.
  let stream = null;
  let mark = null;

  function listen() {
    if (document.hidden || stream) return;
    const opened = new EventSource(address);
    stream = opened;
    let lost = false;
    opened.onopen = () => {
      banner.hidden = true;
      if (lost && document.querySelector("[data-awaits-restart]")) location.replace(location.pathname);
      if (lost) announce("gateway:refresh");
      lost = false;
    };
    opened.onmessage = (received) => {
      const event = JSON.parse(received.data);
      announce("gateway:" + event.type.split(".")[0], event);
      announce("gateway:event", event);
    };
    // What no event tells: a mark that changes with what pages show.
    opened.addEventListener("state", (received) => {
      const state = JSON.parse(received.data);
      if (mark !== null && mark !== state.mark) announce("gateway:state");
      mark = state.mark;
      if (state.examined_s === null) return;
      for (const one of document.querySelectorAll("[data-examined]")) keepAge(one, state.examined_s);
      showAges();
    });
    opened.onerror = async () => {
      lost = true;
      if (opened.readyState !== EventSource.CLOSED) {
        banner.hidden = false;
        return;
      }
      // Refused: the session has ended, or the gateway starts.
      let response = null;
      try {
        response = await fetch("/console/overview", { headers: { "HX-Request": "true" } });
      } catch { /* not reachable */ }
      const elsewhere = response && response.headers.get("HX-Redirect");
      if (elsewhere) {
        location.assign("/console/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
        return;
      }
      banner.hidden = false;
      setTimeout(() => {
        if (stream === opened) stream = null;
        listen();
        announce("gateway:refresh");
      }, 3000);
    };
  }

  function stopListening() {
    if (stream) stream.close();
    stream = null;
  }

  if (address) {
    listen();
    addEventListener("pagehide", stopListening);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        stopListening();
      } else {
        listen();
        announce("gateway:refresh");
      }
    });
  }

  // Ages go on by the clock of the browser, so that an open page asks for nothing only to tell the time.
  function keepAge(shown, seconds) {
    ages.set(shown, { written: shown.dataset.age, since: performance.now() - 1000 * seconds });
  }

  function showAges() {
    for (const shown of document.querySelectorAll("[data-age]")) {
      const kept = ages.get(shown);
      if (!kept || kept.written !== shown.dataset.age) {
        keepAge(shown, Number(shown.dataset.age));  // as the server has just written it
        continue;
      }
      const seconds = (performance.now() - kept.since) / 1000;
      const [unit, length] = AGE_UNITS.find(([, , limit]) => seconds < limit);
      const format = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" });
      const text = format.format(Math.round(seconds / length)).replace(/(\d)(?=\p{Script=Han})/u, "$1 ");
      if (shown.textContent !== text) shown.textContent = text;
    }
  }
  showAges();
  setInterval(() => { if (!document.hidden) showAges(); }, 15000);

  // The ages of a camera's evidence, and numbers of the cloud, are asked for now and then, where somebody looks.
  setInterval(() => { if (!document.hidden) announce("gateway:tick"); }, 300000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) announce("gateway:tick"); });

  // Times of the server are in UTC; people read those of their own clock.
  function localise(root) {
    const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });
    const times = root.querySelectorAll("time[data-local]");
    for (const time of times) time.textContent = format.format(new Date(time.dateTime));
    const zone = document.getElementById("time-zone");
    zone.hidden = times.length === 0;
    zone.querySelector("span").textContent = format.resolvedOptions().timeZone;
  }
  localise(document);
  // What a person has opened or closed stays so when its part is fetched again.
  const chosen = new WeakMap();
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    if (summary) chosen.set(summary.parentElement, !summary.parentElement.open);
  });

  document.addEventListener("htmx:after:swap", () => {
    localise(document);
    showAges();
    for (const one of document.querySelectorAll("details")) if (chosen.has(one)) one.open = chosen.get(one);
    // A part may name the page anew, as when the camera that it shows got another name.
    const titled = document.querySelector("[data-title]");
    if (titled) document.title = titled.dataset.title;
  });

  // A page from the browser's memory may be old.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // The code of a QR code stands in the fragment, which no server and no preview sees.
  const form = document.getElementById("sign-in");
  const signIn = () => {
    const code = new URLSearchParams(location.hash.slice(1)).get("code");
    if (!form || !code) return;
    history.replaceState(null, "", location.pathname + location.search);
    form.elements.code.value = code;
    form.requestSubmit();
  };
  signIn();
  addEventListener("hashchange", signIn);  // the address was pasted while the page was open

  // What is filled in beside a choice chooses it.
  document.addEventListener("input", ({ target }) => {
    const value = target.dataset.chooses;
    if (value) target.form.querySelector(`input[type="radio"][value="${value}"]`).checked = true;
  });

  // One click, one call.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button) setTimeout(() => { button.disabled = true; }, 0);
    setTimeout(() => { if (button) button.disabled = false; }, 10000);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = button.dataset.copy;
    const done = () => { button.dataset.copied = "yes"; button.textContent = button.dataset.done; };
    if (navigator.clipboard) { navigator.clipboard.writeText(text).then(done); return; }
    // Plain HTTP has no clipboard interface.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    if (document.execCommand("copy")) done();
    area.remove();
  });
})();
