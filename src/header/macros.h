/*
 * Which capture or refund of a payment is meant, in the flags of vp_capture and vp_refund: from 1, which 0 means too.
 * The same number again is the same capture or refund, so a double press never takes or returns money twice; the second
 * partial capture must be asked for as VP_NTH(2). While one is not proven, also under a decision, another number is
 * VP_ERR_WRONG_STATE.
 */
#define VP_NTH(n) ((uint32_t)(n) << 16)
