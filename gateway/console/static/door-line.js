// Draws the door line on the picture: with a finger or the mouse; the number fields say the same.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const frame = document.querySelector("[data-picture] .frame");
  let overlay = null;

  function attach(form) {
    const sizes = JSON.parse(form.dataset.doorLine);
    const field = (name) => form.elements["parameter." + name];
    const size = () => sizes[field("resolution").value] || sizes["0"];
    if (overlay) overlay.remove();
    overlay = document.createElementNS(SVG, "svg");
    overlay.setAttribute("class", "door-line");
    overlay.setAttribute("role", "img");
    overlay.setAttribute("aria-label", form.dataset.label);
    overlay.setAttribute("preserveAspectRatio", "none");
    const line = document.createElementNS(SVG, "line");
    const ends = [0, 1].map(() => document.createElementNS(SVG, "circle"));
    overlay.append(line, ...ends);
    frame.append(overlay);

    const draw = () => {
      const [width, height] = size();
      overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
      const [x1, y1, x2, y2] = ["start_x", "start_y", "end_x", "end_y"].map((name) => Number(field(name).value) || 0);
      Object.entries({ x1, y1, x2, y2 }).forEach(([name, value]) => line.setAttribute(name, value));
      [[x1, y1], [x2, y2]].forEach(([x, y], index) => {
        ends[index].setAttribute("cx", x);
        ends[index].setAttribute("cy", y);
        ends[index].setAttribute("r", width / 80);
      });
    };
    const locate = (event) => {
      const area = overlay.getBoundingClientRect(), [width, height] = size();
      const scale = (part, whole, to) => Math.max(0, Math.min(to, Math.round(to * part / whole)));
      return [scale(event.clientX - area.left, area.width, width), scale(event.clientY - area.top, area.height, height)];
    };
    // The vendor wants the left end first.
    const set = (one, other) => {
      const [[startX, startY], [endX, endY]] = one[0] <= other[0] ? [one, other] : [other, one];
      [field("start_x").value, field("start_y").value, field("end_x").value, field("end_y").value] = [startX, startY, endX, endY];
      draw();
    };
    overlay.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const point = locate(event);
      const known = [["start_x", "start_y"], ["end_x", "end_y"]].map((names) => names.map((name) => Number(field(name).value) || 0));
      const near = ([x, y]) => Math.hypot(x - point[0], y - point[1]) < size()[0] / 20;
      const grabbed = known.findIndex(near);
      const fixed = grabbed < 0 ? point : known[1 - grabbed]; // else a new line begins here
      overlay.setPointerCapture(event.pointerId);
      const move = (moved) => set(fixed, locate(moved));
      overlay.addEventListener("pointermove", move);
      overlay.addEventListener("lostpointercapture", () => overlay.removeEventListener("pointermove", move), { once: true });
    });
    form.addEventListener("input", draw);
    draw();
  }

  const look = () => {
    const form = document.querySelector("form[data-door-line]");
    if (!form || !frame || form.dataset.attached) return;
    form.dataset.attached = "yes";
    attach(form);
  };
  new MutationObserver(look).observe(document.getElementById("content"), { childList: true, subtree: true });
  look();
})();
