// What a screen reader would miss: fields, links, pictures and tables without a name, several first headings, ids twice.
() => [
  ...[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
      .filter((field) => !field.labels?.length && !field.getAttribute('aria-label')).map((field) => `field ${field.name}`),
  ...[...document.querySelectorAll('button, a[href]')].filter((one) => !one.innerText.trim() && !one.textContent.trim()).map((one) => one.outerHTML),
  ...[...document.images].filter((image) => !image.hasAttribute('alt')).map((image) => image.src),
  ...[...document.querySelectorAll('table')].filter((table) => !table.caption).map(() => 'table'),
  ...(document.querySelectorAll('h1').length === 1 ? [] : ['h1']),
  ...(document.documentElement.lang ? [] : ['lang']),
  ...[...document.querySelectorAll('[id]')].filter((one, i, all) => all.findIndex((two) => two.id === one.id) !== i).map((one) => `twice: ${one.id}`),
]
