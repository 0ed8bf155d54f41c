// Elements from data. Text is only ever text: nothing that came from outside is read as HTML.

export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

// A drawing of lines that says nothing which the text does not say.
export function icon(...paths) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  for (const d of paths) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

// A small word in a box. Its colour repeats what the word says.
export const tag = (kind, text) => h('span', { class: `tag ${kind}` }, text);

export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Shows `items` as children of `parent`, each built anew only when it has changed, so that focus and selection stay.
export function list(parent, items, key, build) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const look = JSON.stringify(item);
    let child = known.get(name);
    known.delete(name);
    if (child && child.look !== look) {
      const renewed = build(item);
      if (place === child) place = renewed;
      const focused = child.contains(document.activeElement);
      child.replaceWith(renewed);
      if (focused) renewed.querySelector('button')?.focus();
      child = renewed;
    } else if (!child) {
      child = build(item);
    }
    child.look = look;
    child.dataset.key = name;
    if (place === child) place = child.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of known.values()) gone.remove();
}
