import { say } from './dom.js';
import { Operator } from './operator.js';
import { Phone } from './phone.js';
import { watch } from './servers.js';

const byId = (id) => document.getElementById(id);

const operator = new Operator();
const phone = new Phone({
  screen: byId('screen'),
  announcement: byId('announcement'),
  phones: byId('phones'),
  onlyPhone: byId('only-phone'),
  rings: byId('rings'),
});

// On a narrow window one of the two is seen.
for (const view of ['phone', 'operator']) {
  byId(`show-${view}`).addEventListener('click', () => {
    byId('main').dataset.view = view;
    for (const other of ['phone', 'operator']) byId(`show-${other}`).setAttribute('aria-pressed', String(other === view));
  });
}

let ready = false;

function show(state) {
  ready = true;
  phone.show(state);
  operator.show(state);
  const waiting = state.payments.filter((payment) => payment.state === 'CREATED').length;
  document.title = `${waiting ? `(${waiting}) ` : ''}Phone – vp-simulator`;
}

watch(show, (live) => {
  document.body.dataset.live = String(live);
  say(byId('live-text'), live ? 'Live' : 'No connection, trying again');
});

setInterval(() => {
  if (!ready) return;
  phone.tick();
  operator.tick();
}, 250);
