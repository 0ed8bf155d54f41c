// The simulator behind the page: what it shows, the news of changes, and what a person says to it.

const WHILE_GONE_MS = 2000;

async function ask(method, path, body) {
  const answer = await fetch(`/_sim/${path}`, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(value.error ?? `the simulator answered ${answer.status}`);
  return value;
}

export const get = (path) => ask('GET', path);
export const post = (path, body) => ask('POST', path, body);
export const remove = (path) => ask('DELETE', path);

// Calls `show` with everything there is to show, at once and after each change. Changes that come while the answer to an
// earlier one is under way are shown together.
export function watch(show, tell) {
  let wanted = false;
  let asking = false;

  async function refresh() {
    wanted = true;
    if (asking) return;
    asking = true;
    while (wanted) {
      wanted = false;
      try {
        const sent = performance.now();
        const state = await get('page');
        // Halfway is the best guess of when the clock was read.
        state.clock.read = (sent + performance.now()) / 2;
        show(state);
      } catch {
        tell(false);
      }
    }
    asking = false;
  }

  function listen() {
    const events = new EventSource('/_sim/events');
    events.onopen = () => tell(true);
    events.onmessage = refresh;
    events.onerror = () => {
      tell(false);
      // A lost connection comes back by itself; a refused one does not.
      if (events.readyState === EventSource.CLOSED) setTimeout(() => (refresh(), listen()), WHILE_GONE_MS);
    };
  }

  listen();
}

// The servers' time, in milliseconds since 1970.
export function time(clock) {
  const gone = clock.frozen ? 0 : (performance.now() - clock.read) * clock.speed;
  return clock.now + gone;
}
