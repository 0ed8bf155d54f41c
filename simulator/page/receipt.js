// Order lines before the payment, the receipt after it.

import { h } from './dom.js';
import { money, plain } from './words.js';

const UNITS = { PCS: '', KG: ' kg', KM: ' km', MINUTE: ' min', LITRE: ' l', KWH: ' kWh' };

const rateOf = (line) => (line.taxRate != null ? line.taxRate / 100 : line.taxPercentage);
// A returned line counts against the others.
const sign = (line) => (line.isReturn ? -1 : 1);
const sum = (lines, part) => lines.reduce((all, line) => all + sign(line) * line[part], 0);

function quantity({ unitInfo }) {
  if (!unitInfo) return null;
  const count = `${unitInfo.quantity}${UNITS[unitInfo.quantityUnit ?? 'PCS'] ?? ''}`;
  const each = unitInfo.unitPrice == null ? '' : ` × ${plain(unitInfo.unitPrice)}`;
  return h('span', { class: 'soft' }, count + each);
}

export function receipt({ orderLines, bottomLine }, payment, merchant) {
  const total = sum(orderLines, 'totalAmount');
  const rates = Map.groupBy(orderLines, rateOf);
  const row = (name, value, kind) => h('div', { class: `sum ${kind ?? ''}` }, h('dt', null, name), h('dd', { class: 'n' }, value));
  return h('section', { class: merchant ? 'receipt paper' : 'receipt', 'aria-label': merchant ? 'Receipt' : 'Order lines' },
    merchant && h('p', { class: 'receipt-head' }, h('strong', null, 'Receipt'), h('span', null, merchant)),
    merchant && h('p', { class: 'soft' }, [bottomLine.receiptNumber && `No. ${bottomLine.receiptNumber}`,
      bottomLine.posId && `Terminal ${bottomLine.posId}`].filter(Boolean).join(' · ')),
    h('ul', null, orderLines.map((line) => h('li', null,
      h('span', null, line.name, line.isReturn && ' (returned)', quantity(line)),
      h('span', { class: 'n' }, plain(sign(line) * line.totalAmount))))),
    h('dl', null,
      [...rates].map(([rate, lines]) => row(`VAT ${rate} % of ${plain(sum(lines, 'totalAmountExcludingTax'))}`,
        plain(sum(lines, 'totalTaxAmount')))),
      row('Total', money(total, bottomLine.currency), 'total'),
      bottomLine.tipAmount > 0 && row('Tip', money(bottomLine.tipAmount, bottomLine.currency)),
      // Nobody checks that they agree, so it is shown when they do not.
      total !== payment.amount && row('Differs from the amount asked', money(payment.amount, payment.currency), 'odd')));
}
