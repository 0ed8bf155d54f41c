// The phone: lock screen, a payment to decide, what became of it, and the history.

import { h, icon, say, tag } from './dom.js';
import { receipt } from './receipt.js';
import { post, time } from './servers.js';
import { ago, dayOf, digits, eventWord, failure, hourOf, left, momentOf, money, outcome } from './words.js';

// How long a thumb and a bank take, on the servers' clock.
const APPROVAL_MS = 1200;

const CARDS = [
  { id: 'good', name: 'Debit card ••\u20094021', note: 'It works', fails: undefined },
  { id: 'refused', name: 'Credit card ••\u20097730', note: 'For tests: the bank refuses it', fails: 'card-refused' },
  { id: 'empty', name: 'Debit card ••\u20090056', note: 'For tests: too little money', fails: 'insufficient-funds' },
];

const PICTURES = {
  good: ['M5 12.5l4.5 4.5L19 7.5'],
  off: ['M6.5 6.5l11 11', 'M17.5 6.5l-11 11'],
  back: ['M9 7l-4 4 4 4', 'M5 11h9a5 5 0 010 10h-2'],
  wait: ['M12 7v5l3.5 2', 'M12 3a9 9 0 100 18 9 9 0 000-18'],
};

// Requests without a phone number come by a link or a QR code, to whoever opens it.
const LINK = 'link';
const phoneOf = (payment) => String(payment.phone ?? LINK);
const nameOf = (payment) => (payment.phone ? `Phone ${digits(payment.phone_masked)}` : 'Link or QR');

export class Phone {
  constructor(parts) {
    Object.assign(this, parts);
    this.chosen = null;
    this.view = { screen: 'lock' };
    this.card = 'good';
    this.known = null;
    this.look = '';
    this.error = '';
    this.phones.addEventListener('change', () => this.take(this.phones.value));
    this.rings.addEventListener('click', () => {
      this.take(this.rings.value);
      this.screen.querySelector('.push')?.focus();
    });
  }

  show(state) {
    this.state = state;
    this.turn();
    this.announceNew();
    this.choose();
    this.render();
    this.tick();
  }

  get mine() {
    return this.state.payments.filter((payment) => phoneOf(payment) === this.chosen);
  }

  get payment() {
    return this.mine.find((p) => p.reference === this.view.reference && p.msn === this.view.msn);
  }

  announceNew() {
    const name = (p) => `${p.msn} ${p.reference}`;
    const asked = this.state.payments.filter((p) => p.state === 'CREATED');
    const fresh = this.known ? asked.filter((p) => !this.known.has(name(p))) : [];
    this.known = new Set(this.state.payments.map(name));
    if (fresh.length === 0) return;
    const newest = fresh.at(-1);
    say(this.announcement, `New payment request: ${this.state.merchant.name}, ${money(newest.amount, newest.currency)}`);
    // A phone that lies on the table untouched gives way to the one that rings.
    if (this.view.screen === 'lock' && !this.mine.some((p) => p.state === 'CREATED' && !fresh.includes(p))) {
      this.chosen = phoneOf(newest);
    }
  }

  choose() {
    const phones = new Map();
    for (const payment of this.state.payments) {
      const entry = phones.get(phoneOf(payment)) ?? { name: nameOf(payment), waiting: 0 };
      entry.waiting += payment.state === 'CREATED';
      phones.set(phoneOf(payment), entry);
    }
    if (!phones.has(this.chosen)) this.chosen = [...phones.keys()].at(-1) ?? null;
    const options = [...phones].map(([id, { name, waiting }]) => [id, waiting ? `${name}, ${waiting} waiting` : name]);
    const look = JSON.stringify(options);
    if (this.phones.look !== look) {
      this.phones.replaceChildren(...options.map(([id, text]) => h('option', { value: id }, text)));
      this.phones.look = look;
    }
    this.phones.value = this.chosen ?? '';
    this.phones.hidden = phones.size < 2;
    this.onlyPhone.hidden = phones.size !== 1;
    if (phones.size === 1) say(this.onlyPhone, options[0][1]);
    const other = [...phones].findLast(([id, { waiting }]) => waiting > 0 && id !== this.chosen);
    this.rings.hidden = !other || this.mine.some((p) => p.state === 'CREATED');
    if (other) {
      this.rings.value = other[0];
      say(this.rings, `${other[1].name.replace('Phone ', '')} rings`);
    }
  }

  take(phone) {
    this.chosen = phone;
    this.choose();
    this.go({ screen: 'lock' });
  }

  go(view) {
    this.view = view;
    this.error = '';
    this.render();
    this.tick();
  }

  open(payment) {
    this.card = 'good';
    this.go({ screen: 'payment', reference: payment.reference, msn: payment.msn });
  }

  // Builds the screen anew only when something on it has changed.
  render() {
    if (this.view.screen === 'payment' && !this.payment) this.view = { screen: 'lock' };
    const shown = this.view.screen === 'payment' ? this.payment : this.mine;
    const look = JSON.stringify([this.view, this.chosen, shown, this.card, this.error, this.state.merchant]);
    if (look === this.look) return;
    const before = this.look && this.decided;
    this.look = look;
    this.decided = this.payment && this.payment.state !== 'CREATED';
    const held = this.screen.contains(document.activeElement) ? document.activeElement.dataset : null;
    const scrolled = this.screen.firstElementChild?.scrollTop ?? 0;
    this.screen.replaceChildren(this.build());
    this.screen.firstElementChild.scrollTop = scrolled;
    // The focus stays where it was, or goes to the title of a new screen.
    if (held) {
      const again = held.hold && this.screen.querySelector(`[data-hold="${CSS.escape(held.hold)}"]:not(:disabled)`);
      (again || this.screen.querySelector('[data-start]'))?.focus();
    }
    if (this.decided && before === false) {
      this.screen.firstElementChild.scrollTop = 0;
      const { word, text } = outcome(this.payment);
      say(this.announcement, `${word}. ${text}`);
    }
  }

  build() {
    switch (this.view.screen) {
      case 'history':
        return this.history();
      case 'payment':
        return this.payment.state === 'CREATED' ? this.request(this.payment) : this.result(this.payment);
      default:
        return this.lock();
    }
  }

  // Whether an approval has begun. True if that has changed for any payment.
  turn() {
    const now = time(this.state.clock);
    let any = false;
    for (const p of this.state.payments) {
      const approving = p.approving_from != null && p.approving_from <= now;
      any ||= p.approving !== approving;
      p.approving = approving;
    }
    return any;
  }

  // What runs with the clock.
  tick() {
    if (this.turn()) this.render();
    const now = time(this.state.clock);
    for (const element of this.screen.querySelectorAll('[data-clock]')) {
      say(element, element.dataset.clock === 'day' ? dayOf(now) : hourOf(now));
    }
    for (const element of this.screen.querySelectorAll('[data-since]')) say(element, ago(now - element.dataset.since));
    const timer = this.screen.querySelector('[data-until]');
    if (timer) {
      const { until, from } = timer.dataset;
      say(timer.querySelector('strong'), left(until - now));
      timer.querySelector('progress').value = Math.max(0, Math.min(1, (until - now) / (until - from)));
    }
  }

  lock() {
    const waiting = this.mine.filter((p) => p.state === 'CREATED').reverse();
    return h('div', { class: 'lock' },
      h('p', { class: 'bar', 'aria-hidden': 'true' }, h('span', { 'data-clock': 'hour' }), h('span', { class: 'battery' })),
      h('h3', { class: 'lock-time', tabindex: '-1', 'data-start': '' }, h('span', { class: 'unseen' }, 'Lock screen, '),
        h('span', { 'data-clock': 'hour' })),
      h('p', { class: 'lock-day', 'data-clock': 'day' }),
      h('div', { class: 'pushes' },
        waiting.map((p) => this.push(p)),
        waiting.length === 0 && h('p', { class: 'quiet' }, this.mine.length ? 'Nothing new' : 'Payment requests arrive here')),
      this.mine.length > 0 && h('button', { type: 'button', class: 'glass', 'data-hold': 'history', click: () => this.go({ screen: 'history' }) },
        'Payments'));
  }

  push(p) {
    return h('button', { type: 'button', class: 'push', 'data-hold': p.reference, click: () => this.open(p) },
      h('span', { class: 'app-mark' }, icon(...PICTURES.good)),
      h('span', { class: 'push-text' },
        h('span', { class: 'push-head' }, h('strong', null, 'Payment request'), h('span', { 'data-since': p.created_at })),
        h('span', null, `${this.state.merchant.name} asks for ${money(p.amount, p.currency)}`),
        h('span', { class: 'soft' }, 'Tap to see it and to answer')));
  }

  head(title, back, view) {
    return h('div', { class: 'app-head' },
      h('button', { type: 'button', class: 'back', 'data-hold': 'back', click: () => this.go(view) },
        icon('M14.5 5l-7 7 7 7'), back),
      h('h3', { tabindex: '-1', 'data-start': '' }, title));
  }

  merchant(p) {
    const { name } = this.state.merchant;
    return h('div', { class: 'merchant' },
      h('span', { class: 'initial', 'aria-hidden': 'true' }, [...name][0] ?? ''),
      h('div', null, h('p', { class: 'merchant-name' }, name), h('p', { class: 'soft' }, `MSN ${p.msn}`)));
  }

  request(p) {
    const last = p.failed_tries.at(-1);
    const busy = p.approving;
    return h('div', { class: 'app' },
      this.head('Payment request', 'Lock', { screen: 'lock' }),
      this.merchant(p),
      h('p', { class: 'amount' }, money(p.amount, p.currency)),
      p.description && h('p', { class: 'description' }, p.description),
      h('div', { class: 'timer', role: 'timer', 'data-until': p.expires_at, 'data-from': p.created_at },
        h('span', null, 'Time to answer'), h('strong'), h('progress', { 'aria-hidden': 'true', max: '1' })),
      last && !busy && h('div', { class: 'note bad', role: 'alert' }, h('strong', null, failure(last.why)),
        ' Nothing was charged. Try again, or with another card.'),
      this.error && h('p', { class: 'note bad', role: 'alert' }, this.error),
      p.receipt && receipt(p.receipt, p, null),
      h('fieldset', { class: 'cards', disabled: busy },
        h('legend', null, 'Pay with'),
        CARDS.map((card) => h('label', { class: 'card' },
          h('input', { type: 'radio', name: 'card', value: card.id, checked: card.id === this.card, 'data-hold': `card-${card.id}`,
            change: () => this.pick(card.id) }),
          h('span', null, card.name, h('span', { class: 'soft' }, card.note))))),
      h('div', { class: 'answers' },
        h('button', { type: 'button', class: 'approve', 'data-hold': 'approve', 'aria-disabled': String(busy),
          click: () => busy || this.answer('approve', { takes_ms: APPROVAL_MS, fails: CARDS.find((c) => c.id === this.card).fails }) },
          busy ? [h('span', { class: 'spinner', 'aria-hidden': 'true' }), 'Approving…'] : `Approve ${money(p.amount, p.currency)}`),
        busy
          ? h('p', { class: 'soft', role: 'status' }, this.state.clock.frozen
            ? 'The clock of the servers stands still: it goes on when the clock does.'
            : 'The merchant cannot cancel now.')
          : h('button', { type: 'button', class: 'decline', 'data-hold': 'decline', click: () => this.answer('decline') }, 'Decline')));
  }

  pick(card) {
    this.card = card;
    this.render();
  }

  async answer(wish, body) {
    this.error = '';
    try {
      await post(`payments/${encodeURIComponent(this.view.reference)}/${wish}`, body);
    } catch (error) {
      this.error = error.message;
      this.render();
    }
  }

  result(p) {
    const { kind, word, text } = outcome(p);
    return h('div', { class: 'app' },
      this.head('Payment', 'Payments', { screen: 'history' }),
      h('div', { class: `verdict ${kind}` }, h('span', { class: 'mark' }, icon(...PICTURES[kind])),
        h('p', { class: 'verdict-word' }, word),
        h('p', { class: 'amount' }, money(p.amount, p.currency)),
        h('p', { class: 'soft' }, text)),
      this.merchant(p),
      p.description && h('p', { class: 'description' }, p.description),
      p.receipt ? receipt(p.receipt, p, this.state.merchant.name)
        : p.state === 'AUTHORIZED' && h('p', { class: 'soft center' }, 'The receipt appears here when the merchant sends it.'),
      h('h4', null, 'What happened'),
      h('ol', { class: 'story' }, p.events.map((event) => h('li', null,
        h('span', null, eventWord(event.name), h('span', { class: 'soft' }, momentOf(event.at))),
        h('span', { class: 'n' }, money(event.amount, p.currency))))));
  }

  history() {
    return h('div', { class: 'app' },
      this.head('Payments', 'Lock', { screen: 'lock' }),
      h('ul', { class: 'history' }, [...this.mine].reverse().map((p) => {
        const { kind, word } = outcome(p);
        return h('li', null, h('button', { type: 'button', class: 'line', 'data-hold': p.reference, click: () => this.open(p) },
          h('span', { class: `mark small ${kind}` }, icon(...PICTURES[kind])),
          h('span', null, h('strong', null, this.state.merchant.name), h('span', { class: 'soft' }, momentOf(p.created_at))),
          h('span', { class: 'n' }, h('strong', null, money(p.amount, p.currency)), tag(kind, word))));
      })));
  }
}
