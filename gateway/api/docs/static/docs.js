// What makes the pages of the reference handier; they can be read without it.
"use strict";

const root = document.documentElement;
root.classList.add("js");

// Copy buttons.
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    if (await copy(code)) {
      button.textContent = root.dataset.copied;
      setTimeout(() => { button.textContent = root.dataset.copy; }, 1500);
    }
  });
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {  // over plain HTTP there is no clipboard, only the old command
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  }
}

// The token that is typed into the field stands in all examples of the page. It is neither kept nor sent.
const field = document.getElementById("token");
if (field) {
  field.closest(".token").hidden = false;
  const texts = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (walker.currentNode.data.includes("YOUR_TOKEN")) texts.push([walker.currentNode, walker.currentNode.data]);
  }
  field.addEventListener("input", () => {
    const token = field.value.trim() || "YOUR_TOKEN";
    for (const [node, text] of texts) node.data = text.replaceAll("YOUR_TOKEN", token);
  });
}

// The search filters the first page while one types; elsewhere, and without this script, the form is sent.
const search = document.querySelector("form.search input[type=search]");
const entries = [...document.querySelectorAll("[data-search]")];
if (search && entries.length && !new URLSearchParams(location.search).get("q")) {
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const entry of entries) entry.hidden = !words.every((word) => entry.dataset.search.includes(word));
    for (const group of document.querySelectorAll(".group")) {
      group.hidden = !group.querySelector("[data-search]:not([hidden])");
    }
    document.getElementById("nothing").hidden = entries.some((entry) => !entry.hidden);
  };
  search.addEventListener("input", filter);
  search.form.addEventListener("submit", (event) => event.preventDefault());
}
addEventListener("keydown", (event) => {
  if (event.key === "/" && search && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) {
    event.preventDefault();
    search.focus();
  }
});
