// Shows the picture of a camera: fragmented MP4 by WebSocket in a Media Source, else a JPEG each second.
(() => {
  "use strict";
  const Source = self.ManagedMediaSource || self.MediaSource;
  const MAX_WAITING = 200, MAX_BEHIND_S = 1.5, KEPT_S = 10, STALL_MS = 4000, RETRY_MS = 3000;

  class Picture {
    constructor(figure) {
      this.figure = figure;
      this.video = figure.querySelector("video");
      this.image = figure.querySelector("img");
      this.badge = figure.querySelector("[data-state]");
      this.problem = figure.querySelector("[data-problem]");
      this.edge = figure.querySelector("[data-edge]");
      this.isLive = figure.dataset.kind === "live";
      this.video.disableRemotePlayback = true; // a condition of ManagedMediaSource
      if (this.edge) this.edge.addEventListener("click", () => { this.goToEdge(); this.play(); });
      this.video.addEventListener("click", () => this.play());
      addEventListener("pagehide", () => this.stop());
      document.addEventListener("visibilitychange", () => { if (!document.hidden && this.isLive) this.goToEdge(); });
      setInterval(() => this.watchForStall(), 1000);
      if (Source) this.connect(); else this.pollSnapshots("slow");
    }

    show(state, problem = "") {
      const classes = { live: "ok", playing: "ok", starting: "skipped", ended: "skipped" };
      this.figure.dataset.state = state;
      this.badge.className = "badge " + (classes[state] || "failed");
      this.badge.textContent = this.figure.dataset[state] || problem;
      this.problem.textContent = problem === this.badge.textContent ? "" : problem;
    }

    connect() {
      const address = new URL(this.figure.dataset.picture, location.href);
      address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
      this.socket = new WebSocket(address);
      this.socket.binaryType = "arraybuffer";
      this.socket.onmessage = ({ data }) => typeof data === "string" ? this.take(JSON.parse(data)) : this.append(data);
      this.socket.onclose = () => {
        if (this.stopped || this.final) return;
        this.show("lost");
        this.retry = setTimeout(() => this.connect(), RETRY_MS);
      };
    }

    take(status) {
      this.final = status.state === "unsupported" || (status.state === "ended" && !this.isLive);
      if (status.state === "live") {
        this.begin(status.codec);
        this.show(this.isLive ? "live" : "playing");
      } else if (status.state === "unsupported") {
        this.socket.close();
        this.pollSnapshots("unsupported", status.problem);
      } else {
        this.show(status.state, status.problem || "");
      }
    }

    begin(codec) {
      this.waiting = [];
      this.buffer = null;
      this.receivedAt = performance.now();
      const source = new Source(), type = `video/mp4; codecs="${codec}"`;
      if (!Source.isTypeSupported(type)) { this.final = true; this.socket.close(); this.pollSnapshots("unsupported"); return; }
      source.addEventListener("sourceopen", () => {
        URL.revokeObjectURL(this.video.src);
        this.buffer = source.addSourceBuffer(type);
        this.buffer.addEventListener("updateend", () => this.tidy());
        this.appendNext();
      }, { once: true });
      this.video.src = URL.createObjectURL(source);
      this.play();
    }

    append(data) {
      if (!this.waiting) return;
      this.receivedAt = performance.now();
      if (this.figure.dataset.state === "frozen" && this.stalled) { this.stalled = false; this.show("live"); }
      this.waiting.push(data);
      if (this.waiting.length > MAX_WAITING) this.socket.close(); // the browser does not keep up: begin anew
      this.appendNext();
    }

    appendNext() {
      if (!this.buffer || this.buffer.updating || !this.waiting.length) return;
      try { this.buffer.appendBuffer(this.waiting.shift()); } catch { this.socket.close(); }
    }

    tidy() {
      const end = this.end();
      if (this.isLive && end - this.video.currentTime > MAX_BEHIND_S && !document.hidden) this.goToEdge();
      const start = this.video.buffered.length ? this.video.buffered.start(0) : 0;
      if (!this.buffer.updating && this.video.currentTime - start > 2 * KEPT_S) this.buffer.remove(start, this.video.currentTime - KEPT_S);
      if (this.video.videoWidth) this.figure.style.setProperty("--ratio", this.video.videoWidth / this.video.videoHeight);
      if (this.edge) this.edge.hidden = !this.video.paused;
      this.appendNext();
    }

    end() { return this.video.buffered.length ? this.video.buffered.end(this.video.buffered.length - 1) : 0; }
    goToEdge() { if (this.end()) this.video.currentTime = Math.max(0, this.end() - 0.2); }
    play() { this.video.play().catch(() => { if (this.edge) this.edge.hidden = false; }); }

    // The gateway says when no picture comes; a connection that has died says nothing.
    watchForStall() {
      if (this.figure.dataset.state !== "live" || this.image.hidden === false) return;
      if (performance.now() - this.receivedAt > STALL_MS) { this.stalled = true; this.show("frozen"); }
    }

    pollSnapshots(state, problem = "") {
      if (!this.figure.dataset.snapshot) { this.show("unsupported", problem); return; }
      this.video.hidden = true;
      this.image.hidden = false;
      const next = () => { if (!this.stopped) this.image.src = this.figure.dataset.snapshot + "?t=" + Date.now(); };
      this.image.onload = () => { this.show(state, problem); setTimeout(next, 1000); };
      this.image.onerror = () => { this.show("lost"); setTimeout(next, RETRY_MS); };
      next();
    }

    stop() {
      this.stopped = true;
      clearTimeout(this.retry);
      if (this.socket) this.socket.close();
    }
  }

  const figure = document.querySelector("[data-picture]"); // one stream for each page
  if (figure) new Picture(figure);

  // A touch on the picture sets the focus point, in percent.
  const focus = figure && document.querySelector("[data-focus]");
  if (focus) figure.querySelector(".frame").addEventListener("click", (event) => {
    const form = document.getElementById(focus.dataset.focus);
    if (!form) return;
    const area = event.currentTarget.getBoundingClientRect();
    const percent = (part, whole) => Math.max(0, Math.min(100, Math.round(100 * part / whole)));
    form.elements["parameter.focus_x"].value = percent(event.clientX - area.left, area.width);
    form.elements["parameter.focus_y"].value = percent(event.clientY - area.top, area.height);
    form.requestSubmit();
  });

  // A slider says its value.
  document.addEventListener("input", ({ target }) => {
    if (target.type === "range" && target.labels[0]) target.labels[0].querySelector("output").value = target.value;
  });

  // Recordings are named by times of the person's own clock.
  const period = document.querySelector("[data-period]");
  if (period) {
    const begin = document.getElementById("begin"), minutes = document.getElementById("minutes");
    const { start_time: start, end_time: end } = period.elements;
    if (start.value) { // the recording that is played
      const at = new Date(1000 * start.value);
      begin.value = new Date(at - 60000 * at.getTimezoneOffset()).toISOString().slice(0, 16);
      minutes.value = Math.ceil((end.value - start.value) / 60);
    }
    period.addEventListener("submit", () => {
      start.value = Math.floor(new Date(begin.value).getTime() / 1000);
      end.value = Number(start.value) + 60 * Number(minutes.value);
    });
  }
})();
