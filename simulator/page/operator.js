// The operator's view: requests, ledger, fault rules, passengers and the clock.

import { h, list, say, tag } from './dom.js';
import { get, post, remove, time } from './servers.js';
import { dayOf, digits, outcome, plain, secondOf } from './words.js';

const RULES = {
  manual: 'A person answers on this page',
  approve: 'Approves at once',
  'approve-after=3s': 'Approves after 3 s',
  'busy-from=1s,approve-after=8s': 'Is busy approving from 1 s to 8 s',
  'approve-on-cancel': 'Approves just as a cancel arrives',
  'decline-after=2s': 'Declines after 2 s',
  ignore: 'Never looks at the phone',
  'card-refused': 'Card refused, gives up',
  'card-refused,then-approve-after=5s': 'Card refused, another works 5 s later',
  'insufficient-funds': 'Too little money, gives up',
  'no-user': 'Has no app (7010)',
  'push-not-allowed': 'May get no push (5080)',
};

const OPERATIONS = {
  capture: 'capture',
  create: 'create',
  get: 'get payment',
  cancel: 'cancel',
  refund: 'refund',
  receipt: 'receipt',
  token: 'access token',
  '*': 'request of any kind',
};

const FAULTS = [
  ['Do it and lose the answer', { action: 'lose_answer' }],
  ['Lose the request', { action: 'reset_before' }],
  ['Do it and never answer', { action: 'stall_after' }],
  ['Do it, answer 5 s late', { action: 'delay_after', ms: 5000 }],
  ['Do it, answer with garbage', { action: 'garbage_after' }],
  ['Do it, cut the answer short', { action: 'truncate_after' }],
  ['Refuse with 500', { action: 'status', status: 500 }],
  ['Refuse with 503', { action: 'status', status: 503 }],
  ['Refuse with 429', { action: 'status', status: 429 }],
  ['Refuse with 423', { action: 'status', status: 423 }],
  ['Refuse with 401', { action: 'status', status: 401 }],
];

const options = (pairs) => pairs.map(([value, text]) => h('option', { value }, text));
const byId = (id) => document.getElementById(id);

export class Operator {
  constructor() {
    byId('rule').append(...options(Object.entries(RULES)));
    byId('fault-operation').append(...options(Object.entries(OPERATIONS)));
    byId('fault-action').append(...options(FAULTS.map(([text], index) => [index, text])));

    this.on('who', 'submit', () => post('passenger', { rule: byId('rule').value }));
    this.on('freeze', 'click', () => post('clock', { freeze: !this.state.clock.frozen }));
    this.on('speed', 'change', () => post('clock', { speed: Number(byId('speed').value) }));
    this.on('fault', 'submit', () => post('faults', {
      operation: byId('fault-operation').value,
      times: Number(byId('fault-times').value),
      ...FAULTS[byId('fault-action').value][1],
    }));
    this.on('clear-faults', 'click', () => remove('faults'));
    for (const button of document.querySelectorAll('[data-advance]')) {
      button.addEventListener('click', () => this.wish(() => post('clock', { advance_ms: Number(button.dataset.advance) })));
    }
    byId('close-details').addEventListener('click', () => byId('details').close());
  }

  on(id, event, doing) {
    byId(id).addEventListener(event, (happened) => {
      happened.preventDefault();
      this.wish(doing);
    });
  }

  async wish(doing) {
    let text = '';
    try {
      await doing();
    } catch (error) {
      text = error.message;
    }
    byId('trouble').hidden = !text;
    say(byId('trouble'), text);
  }

  show(state) {
    const fresh = !this.state || this.state.passenger !== state.passenger;
    this.state = state;
    if (fresh) this.passenger(state.passenger);
    const { clock } = state;
    say(byId('clock-state'), clock.frozen ? 'stands still' : clock.speed === 1 ? 'runs' : `runs ${clock.speed} times faster`);
    say(byId('freeze'), clock.frozen ? 'Run clock' : 'Stop clock');
    if (document.activeElement !== byId('speed')) byId('speed').value = clock.speed;

    list(byId('requests'), state.requests.toReversed(), (r) => r.n, (r) => this.request(r));
    byId('requests-table').hidden = state.requests.length === 0;
    byId('no-requests').hidden = state.requests.length > 0;
    list(byId('ledger'), state.payments.toReversed(), (p) => `${p.msn} ${p.reference}`, payment);
    byId('ledger-table').hidden = state.payments.length === 0;
    byId('no-payments').hidden = state.payments.length > 0;
    const more = state.payment_count - state.payments.length;
    byId('more-payments').hidden = more === 0;
    say(byId('more-payments'), `and ${more} before these: GET /_sim/ledger has them all.`);
    list(byId('faults'), state.faults, (f) => f.id, (f) => this.fault(f));
    byId('faults-table').hidden = state.faults.length === 0;
    byId('no-faults').hidden = state.faults.length > 0;
    this.tick();
  }

  passenger(rule) {
    const select = byId('rule');
    // "ignore" and "manual" are one: nothing happens by itself.
    if (!(rule in RULES) && ![...select.options].some((option) => option.value === rule)) {
      select.append(...options([[rule, rule]]));
    }
    select.value = rule;
    say(byId('rule-now'), RULES[rule] ?? rule);
  }

  tick() {
    const now = time(this.state.clock);
    say(byId('now'), `${dayOf(now)}, ${secondOf(now)}`);
  }

  request(r) {
    return h('tr', null,
      h('td', null, h('button', { type: 'button', class: 'link', 'aria-label': `Request ${r.n}: show all of it`, click: () => this.details(r.n) }, r.n)),
      h('td', { class: 'time' }, secondOf(r.at)),
      h('th', { scope: 'row' }, r.operation),
      h('td', null, answer(r), r.code && h('span', { class: 'code' }, ` ${r.code}`)),
      h('td', null, r.acted ? tag('good', 'yes') : h('span', { class: 'soft' }, 'no')),
      h('td', null, r.fault && tag('bad', r.fault)),
      h('td', { class: 'code' }, r.reference),
      h('td', { class: 'code' }, r.idempotency_key));
  }

  fault(f) {
    const { id, seen, fired, operation, action, nth, times, ...more } = f;
    const known = FAULTS.find(([, rule]) => rule.action === action && (!rule.status || rule.status === f.status));
    const when = [nth > 1 && `from no. ${nth} on`, times === 0 ? 'for ever' : times > 1 && `${times} times`].filter(Boolean).join(', ');
    const rest = Object.entries(more).filter(([name, value]) => value != null && !['ms', 'status'].includes(name));
    return h('tr', null,
      h('td', null, id),
      h('th', { scope: 'row' }, OPERATIONS[operation] ?? operation, when && h('span', { class: 'soft' }, ` ${when}`)),
      h('td', null, known ? known[0] : action, rest.length > 0 && h('span', { class: 'soft code' }, ` ${JSON.stringify(Object.fromEntries(rest))}`)),
      h('td', { class: 'n' }, seen),
      h('td', { class: 'n' }, fired > 0 ? tag('bad', fired) : fired),
      h('td', null, h('button', { type: 'button', class: 'link', 'aria-label': `Remove rule ${id}`, click: () => this.wish(() => remove(`faults/${id}`)) }, 'Remove')));
  }

  async details(n) {
    await this.wish(async () => {
      const request = await get(`requests/${n}`);
      say(byId('details-title'), `Request ${n}: ${request.operation}`);
      say(byId('details-text'), JSON.stringify(request, null, 2));
      byId('details').showModal();
    });
  }
}

function answer(r) {
  if (!r.ended) return tag('wait', 'under way');
  if (r.status == null) return tag('bad', 'none');
  return tag(r.status < 300 ? 'good' : r.status < 500 ? 'wait' : 'bad', r.status);
}

function payment(p) {
  const { kind, word } = outcome(p);
  const sum = (minor) => h('td', { class: 'n' }, minor === 0 ? h('span', { class: 'soft' }, '0') : plain(minor));
  return h('tr', null,
    h('th', { scope: 'row', class: 'code' }, p.reference),
    h('td', null, tag(kind, p.state), h('span', { class: 'soft' }, ` ${word.toLowerCase()}`)),
    h('td', { class: 'n' }, `${plain(p.amount)} ${p.currency}`),
    sum(p.authorized - p.captured - p.cancelled > 0 ? p.authorized - p.captured - p.cancelled : 0),
    sum(p.captured), sum(p.cancelled), sum(p.refunded),
    h('td', null, p.receipt ? 'yes' : h('span', { class: 'soft' }, 'no')),
    h('td', null, p.phone_masked ? digits(p.phone_masked) : h('span', { class: 'soft' }, 'none')));
}
