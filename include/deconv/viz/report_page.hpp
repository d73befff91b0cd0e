#pragma once

#include <string_view>

// The parts of a report's page that are the same in every report: its style and its program. No framework, no
// fonts, nothing from a network.
namespace deconv::viz::detail {

inline constexpr std::string_view report_style = R"css(
:root { color-scheme: light dark; --ink: #1c2024; --paper: #ffffff; --soft: #f1f3f5; --line: #ced4da;
  --faint: #5c6670; --accent: #0b63b0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --paper: #16191c; --soft: #22272b;
  --line: #434a51; --faint: #a3acb5; --accent: #7cbcf5; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0 auto; max-width: 75rem; padding: 0 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1.5rem 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .4rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .4rem; }
p { max-width: 48rem; margin: .5rem 0; }
.faint { color: var(--faint); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1rem; padding: 0; margin: .8rem 0; }
a { color: var(--accent); }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .4rem .8rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding-bottom: .3rem; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { background: var(--soft); }
td.number, th.number { text-align: right; }
figure { margin: 0; }
figcaption { font-size: .85rem; color: var(--faint); }
img, svg { max-width: 100%; height: auto; display: block; }
.plot { background: #ffffff; overflow-x: auto; }
.plot svg { min-width: min(100%, 40rem); }
@media (max-width: 40rem) { .plot svg { max-width: none; } }
.picture { margin: .8rem 0; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(14rem, 46%), 1fr)); gap: 1rem;
  margin: .8rem 0; }
.gallery img { width: 100%; }
.crisp, .crisp img { image-rendering: pixelated; }
label.field, .field { display: block; margin: .6rem 0 .2rem; font-weight: 600; }
select, button { font: inherit; padding: .25rem .5rem; max-width: 100%; }
input[type=range] { width: 100%; max-width: 30rem; display: block; }
fieldset { border: 1px solid var(--line); padding: .5rem; margin: .6rem 0; max-height: 17rem; overflow-y: auto; }
legend { padding: 0 .3rem; font-weight: 600; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(4.6rem, 1fr)); gap: .4rem; }
.maps label { position: relative; display: block; border: 2px solid transparent; padding: 2px; cursor: pointer;
  font-size: .8rem; text-align: center; }
.maps input { position: absolute; opacity: 0; inset: 0; width: 100%; height: 100%; margin: 0; cursor: pointer; }
.maps img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #808080; }
.maps label:has(input:checked) { border-color: var(--accent); background: var(--soft); font-weight: 600; }
.maps label:has(input:focus-visible) { outline: 3px solid var(--accent); outline-offset: 1px; }
.hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: .8rem; }
.hit .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; }
.hit img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #808080; }
.occlusion { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); gap: 1rem;
  align-items: start; }
.stage { position: relative; max-width: 28rem; cursor: crosshair; touch-action: manipulation; }
.stage img { width: 100%; }
.patch { position: absolute; border: 2px solid #ffffff; outline: 1px solid #000000; pointer-events: none; }
.patch.filled { background: rgb(128, 128, 128); }
output { font-variant-numeric: tabular-nums; }
@media print { nav, fieldset, select, input { display: none; } }
)css";

inline constexpr std::string_view report_program = R"js(
"use strict";
(() => {
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const data_of = (widget) => JSON.parse(widget.querySelector("script").textContent);

  // Choose a layer, then a map; its strongest units appear. Native select and radios bring the keyboard along.
  const browse = (widget, number) => {
    const layers = data_of(widget);
    const select = widget.querySelector("select");
    const choices = widget.querySelector(".maps");
    const note = widget.querySelector(".note");
    const hits = widget.querySelector(".hits");
    const show = (layer, map) => {
      note.textContent = `Layer ${layer.layer}, map ${map.map}: ${map.hits.length} strongest units`;
      hits.replaceChildren(...map.hits.map((hit, i) => make("figure", { class: hit.crisp ? "hit crisp" : "hit" },
        make("div", { class: "pair" },
          make("img", { src: hit.projection, alt: `projection ${i + 1} of map ${map.map}` }),
          make("img", { src: hit.patch, alt: `image patch ${i + 1} of map ${map.map}` })),
        make("figcaption", {}, hit.caption))));
    };
    const choose = (layer) => {
      choices.replaceChildren(...layer.maps.map((map, i) => {
        const radio = make("input", { type: "radio", name: `map-${number}`, value: map.map });
        radio.checked = i === 0;
        radio.addEventListener("change", () => show(layer, map));
        const strongest = map.hits.slice(0, 1).map((hit) => make("img", { src: hit.projection, alt: "" }));
        return make("label", {}, radio, ...strongest, `map ${map.map}`);
      }));
      if (layer.maps.length) show(layer, layer.maps[0]);
    };
    layers.forEach((layer, i) => select.append(make("option", { value: i }, layer.layer)));
    select.addEventListener("change", () => choose(layers[select.value]));
    if (layers.length) choose(layers[0]);
  };

  // The patch goes where the sliders, or a click on the picture, say.
  const occlude = (widget) => {
    const data = data_of(widget);
    const [down, across] = widget.querySelectorAll("input");
    const stages = [...widget.querySelectorAll(".stage")];
    const output = widget.querySelector("output");
    const percent = (part, whole) => `${(100 * part / whole).toFixed(3)}%`;
    const patches = stages.map((stage) => {
      const patch = make("div", { class: "patch" });
      if (stage.dataset.filled === "true") patch.classList.add("filled");
      stage.append(patch);
      return patch;
    });
    const show = () => {
      const row = Number(down.value), column = Number(across.value), i = row * data.columns + column;
      const top = data.tops[row], left = data.lefts[column];
      for (const patch of patches) {
        patch.style.top = percent(top, data.height);
        patch.style.left = percent(left, data.width);
        patch.style.height = percent(Math.min(data.patch_height, data.height - top), data.height);
        patch.style.width = percent(Math.min(data.patch_width, data.width - left), data.width);
      }
      down.setAttribute("aria-valuetext", `row ${top}`);
      across.setAttribute("aria-valuetext", `column ${left}`);
      output.textContent = data.lines.map((line) => `${line.label} ${line.values[i]}`).join("; ");
    };
    const nearest = (places, value) => places.reduce((best, place, i) =>
      Math.abs(place - value) < Math.abs(places[best] - value) ? i : best, 0);
    for (const stage of stages) stage.addEventListener("click", (event) => {
      const box = stage.getBoundingClientRect();
      down.value = nearest(data.tops,
        (event.clientY - box.top) / box.height * data.height - data.patch_height / 2);
      across.value = nearest(data.lefts,
        (event.clientX - box.left) / box.width * data.width - data.patch_width / 2);
      show();
    });
    for (const slider of [down, across]) slider.addEventListener("input", show);
    show();
  };

  document.querySelectorAll("[data-widget=maps]").forEach(browse);
  document.querySelectorAll("[data-widget=occlusion]").forEach(occlude);
})();
)js";

}  // namespace deconv::viz::detail
