import { byId, element } from './dom.js'

/** The lines for a terminal, each with a button that copies it. */
export function showCommands(commands, address) {
  for (const { what, line } of commands) {
    const code = element('code', { tabindex: '0' }, line.replace('{url}', address))
    const button = element('button', { type: 'button', class: 'quiet', 'aria-label': `Copy the line: ${what}` }, 'Copy')
    button.addEventListener('click', async () => {
      button.textContent = (await copied(code)) ? 'Copied' : 'Press Ctrl+C'
      setTimeout(() => (button.textContent = 'Copy'), 1500)
    })
    byId('curl').append(element('li', {}, element('span', {}, what), code, button))
  }
}

/** Pages over plain HTTP have no clipboard: there the line is selected, and copied as if by the keyboard. */
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent)
    return true
  } catch {
    getSelection().selectAllChildren(code)
    return document.execCommand('copy')
  }
}
