"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.querySelector(".toggle");
  const remembered = () => { try { return localStorage.getItem("ringer-theme"); } catch { return null; } };
  const show = (theme) => {
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${theme === "dark" ? "light" : "dark"} theme`);
  };
  show(remembered() || (dark.matches ? "dark" : "light"));
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    show(theme);
    // A file opened from a disk may have no storage; then the choice lasts as long as the page.
    try { localStorage.setItem("ringer-theme", theme); } catch { /* as said */ }
  });
  dark.addEventListener("change", () => { if (!remembered()) show(dark.matches ? "dark" : "light"); });

  // Tables: a click on a head sorts by it, numbers downwards first.
  const key = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const name = head.textContent;
      if (!name) return;
      const by = document.createElement("button");
      by.type = "button";
      by.textContent = name;
      head.replaceChildren(by);
      by.addEventListener("click", () => {
        const numeric = head.classList.contains("n");
        const before = head.getAttribute("aria-sort");
        const down = before ? before === "ascending" : numeric;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const compare = (a, b) => {
          const [x, y] = [key(a, column), key(b, column)];
          const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
          return down ? -order : order;
        };
        body.append(...[...body.rows].sort(compare));
      });
    });
  }
  for (const input of document.querySelectorAll(".filter input")) {
    const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
    input.parentElement.hidden = false;
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }

  // The timeline: what each lane shows under the pointer.
  const lanes = document.querySelector(".lanes");
  if (lanes) {
    const cursor = document.querySelector(".cursor");
    const starts = JSON.parse(lanes.dataset.starts);
    const end = Number(lanes.dataset.end);
    const names = [...lanes.querySelectorAll(".lane-name[data-values]")].map((name) => ({
      text: name.querySelector("span"), rest: name.querySelector("span").textContent,
      values: JSON.parse(name.dataset.values),
    }));
    const leave = () => {
      cursor.style.display = "none";
      for (const name of names) name.text.textContent = name.rest;
    };
    lanes.addEventListener("pointerleave", leave);
    lanes.addEventListener("pointermove", (event) => {
      const box = lanes.querySelector(".lane").getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      if (share < 0 || share > 1) return leave();
      const time = share * end;
      let k = starts.findIndex((start) => start > time);
      k = (k < 0 ? starts.length : k) - 1;
      if (k < 0) return leave();
      cursor.style.display = "block";
      cursor.style.left = `${event.clientX - lanes.getBoundingClientRect().left}px`;
      for (const name of names) name.text.textContent = `${name.values[k]} at ${time.toFixed(2)} s`;
    });
  }

  // A link to a block opens it.
  const open = () => {
    const block = location.hash && document.getElementById(location.hash.slice(1));
    if (block instanceof HTMLDetailsElement) { block.open = true; block.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  open();
})();
