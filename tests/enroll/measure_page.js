// Measures reports in frames of several widths: how far each runs over its edge, and the contrast of every text with what
// lies under it (WCAG 2.2, 1.4.3). Texts over pictures have a ground of their own.

const rgb = colour => { const v = colour.match(/[\d.]+/g).map(Number); return [v[0], v[1], v[2], v[3] ?? 1] };
const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const luminance = c => { const [r, g, b] = c.map(v => linear(v / 255)); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
const name = element => `${element.tagName}.${element.className}`;

function ground(win, node) {
  const layers = [];
  for (let element = node; element; element = element.parentElement) {
    layers.push(rgb(win.getComputedStyle(element).backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
}

function contrast(win, element) {
  const under = ground(win, element), ink = over(rgb(win.getComputedStyle(element).color), under);
  const [low, high] = [luminance(ink), luminance(under)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function measure(frame) {
  const doc = frame.contentDocument, win = frame.contentWindow, root = doc.documentElement;
  const beyond = [...doc.querySelectorAll("body *")]
    .filter(element => element.getBoundingClientRect().right > root.clientWidth + 1)
    .filter(element => !element.closest(".shot") && !element.closest("thead"));
  const texts = [], walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (walk.currentNode.data.trim() && element.getClientRects().length && !element.closest("svg")) texts.push(element);
  }
  return {
    width: root.clientWidth,
    scroll: root.scrollWidth,
    beyond: beyond.map(name),
    texts: texts.length,
    faint: texts.filter(element => contrast(win, element) < 4.5).map(name),
    images: doc.images.length,
    drawn: [...doc.images].filter(image => image.complete && image.naturalWidth > 0).length,
    ground: win.getComputedStyle(doc.body).backgroundColor,
  };
}

onload = () => { document.body.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(measure)) };
