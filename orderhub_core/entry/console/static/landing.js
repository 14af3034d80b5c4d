// Keeps the figures of the landing page fresh while someone looks at it.
"use strict";
const EVERY_MS = 5000;

function show(figures) {
  for (const place of document.querySelectorAll("[data-live]")) {
    const key = place.dataset.live;
    place.textContent = key === "as_of" ? figures.as_of : figures.counts[key] ?? place.textContent;
  }
  const shares = document.querySelectorAll(".shares i");
  const stages = document.querySelectorAll(".stages b");
  figures.stages.forEach((orders, n) => {
    shares[n].style.setProperty("--orders", orders);
    stages[n].textContent = orders.toLocaleString("en-US");
  });
}

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch("/figures.json").catch(() => null);
  if (answer?.ok) show(await answer.json());
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
