"use strict";
// A viewer: RFB 3.8 over a WebSocket, raw and zlib, with keys by their codes and motions of the mouse.
const query = "?token=" + encodeURIComponent(new URLSearchParams(location.search).get("token") ?? "");
const canvas = document.getElementById("screen");
const state = document.getElementById("state");
const paint = canvas.getContext("2d", { alpha: false });
const socket = new WebSocket("ws://" + location.host + "/rfb" + query);
socket.binaryType = "arraybuffer";

// Bytes that have come, for whoever waits for so many of them.
let heap = [], held = 0, wanted = null, over = null;
socket.onmessage = (event) => {
  if (typeof event.data === "string") { const now = JSON.parse(event.data); if (now.seconds) show(now); return; }
  heap.push(new Uint8Array(event.data)); held += event.data.byteLength; serve();
};
socket.onclose = () => { over = new Error("the machine is gone"); serve(); };
function serve() {
  if (!wanted) return;
  if (held >= wanted.length) { const { length, done } = wanted; wanted = null; done(cut(length)); }
  else if (over) wanted.failed(over);
}
function cut(length) {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const part = heap[0].subarray(0, length - at);
    bytes.set(part, at);
    at += part.length;
    if (part.length === heap[0].length) heap.shift(); else heap[0] = heap[0].subarray(part.length);
  }
  held -= length;
  return bytes;
}
const take = (length) => new Promise((done, failed) => { wanted = { length, done, failed }; serve(); });
const view = async (length) => new DataView((await take(length)).buffer);
const send = (...bytes) => { if (socket.readyState === 1) socket.send(new Uint8Array(bytes)); };
const word = (n) => [n >> 8 & 255, n & 255];
const dword = (n) => [n >>> 24, n >> 16 & 255, n >> 8 & 255, n & 255];

// A stream of zlib that goes on from rectangle to rectangle.
const inflate = new DecompressionStream("deflate");
const inflating = inflate.writable.getWriter(), inflated = inflate.readable.getReader();
let rest = new Uint8Array(0);
async function unpacked(packed, length) {
  inflating.write(packed).catch(() => {});
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    if (!rest.length) { const { value, done } = await inflated.read(); if (done) throw new Error("the stream ends"); rest = value; }
    const part = rest.subarray(0, length - at);
    bytes.set(part, at);
    at += part.length;
    rest = rest.subarray(part.length);
  }
  return bytes;
}

const RAW = 0, ZLIB = 6, SIZE = -223, MOTION = -257, CODES = -258;
let motions = false;
const ask = (changed) => send(3, changed ? 1 : 0, 0, 0, 0, 0, ...word(canvas.width), ...word(canvas.height));

async function rectangle() {
  const head = await view(12);
  const [x, y, width, height] = [0, 2, 4, 6].map((at) => head.getUint16(at));
  const kind = head.getInt32(8);
  if (kind === SIZE) { [canvas.width, canvas.height] = [width, height]; return true; }
  if (kind === MOTION) { motions = true; return false; }
  if (kind === CODES) return false;
  let pixels;
  if (kind === RAW) pixels = await take(4 * width * height);
  else if (kind === ZLIB) pixels = await unpacked(await take((await view(4)).getUint32(0)), 4 * width * height);
  else throw new Error("an encoding that was not asked for");
  for (let at = 3; at < pixels.length; at += 4) pixels[at] = 255;
  paint.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), x, y);
  return false;
}

async function run() {
  await take(12);
  socket.send(new TextEncoder().encode("RFB 003.008\n"));
  await take((await take(1))[0]);
  send(1);
  if ((await view(4)).getUint32(0)) throw new Error("the machine lets nobody in");
  send(1);
  const init = await view(24);
  [canvas.width, canvas.height] = [init.getUint16(0), init.getUint16(2)];
  await take(init.getUint32(20));
  // 32 bits, of 24; red is the lowest byte, as a canvas has it.
  send(0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0);
  send(2, 0, ...word(5), ...[ZLIB, RAW, SIZE, MOTION, CODES].flatMap(dword));
  state.textContent = "running";
  state.dataset.live = "";
  canvas.focus();
  ask(false);
  for (;;) {
    const message = (await take(1))[0];
    if (message !== 0) throw new Error("a message that there is not");
    let resized = false;
    for (let n = (await view(3)).getUint16(1); n > 0; n--) resized = await rectangle() || resized;
    document.body.dataset.updates = Number(document.body.dataset.updates ?? 0) + 1;
    ask(!resized);
  }
}
run().catch((error) => {
  state.textContent = error.message;
  delete state.dataset.live;
  for (const button of document.querySelectorAll("header button:not(#picture)")) button.disabled = true;
});

// Keys, by where they are: their codes in set 1, with 80h for those behind E0h.
const CODE = {};
const put = (first, names) => names.split(" ").forEach((name, n) => { CODE[name] = first + n; });
put(0x01, "Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab");
put(0x10, "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft");
put(0x1e, "KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash");
put(0x2c, "KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock");
put(0x3b, "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock");
put(0x47, "Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal");
put(0x56, "IntlBackslash F11 F12");
put(0x9c, "NumpadEnter ControlRight");
Object.assign(CODE, { NumpadDivide: 0xb5, PrintScreen: 0xb7, AltRight: 0xb8, Pause: 0xc6, Home: 0xc7, ArrowUp: 0xc8, PageUp: 0xc9,
  ArrowLeft: 0xcb, ArrowRight: 0xcd, End: 0xcf, ArrowDown: 0xd0, PageDown: 0xd1, Insert: 0xd2, Delete: 0xd3,
  MetaLeft: 0xdb, MetaRight: 0xdc, ContextMenu: 0xdd });
const down = new Set();
function key(code, pressed) {
  if (pressed) down.add(code); else down.delete(code);
  send(255, 0, 0, pressed ? 1 : 0, 0, 0, 0, 0, ...dword(code));
}
const letGo = () => { for (const code of down) key(code, false); };
function typed(event) {
  const code = CODE[event.code];
  if (code === undefined) return;
  event.preventDefault();
  if (!event.repeat) key(code, event.type === "keydown");
  if (document.pointerLockElement && event.ctrlKey && event.altKey) document.exitPointerLock();
}
canvas.addEventListener("keydown", typed);
canvas.addEventListener("keyup", typed);
canvas.addEventListener("blur", letGo);
addEventListener("beforeunload", letGo);

// The mouse, while it is the machine's.
let buttons = 0, right = 0, below = 0, waiting = false;
const BUTTONS = [1, 2, 4];
function point(wheel = 0) {
  if (!motions) return;
  const near = (n) => Math.max(-0x7fff, Math.min(0x7fff, Math.trunc(n))) + 0x7fff;
  send(5, buttons | wheel, ...word(near(right)), ...word(near(below)));
  [right, below] = [right - Math.trunc(right), below - Math.trunc(below)];
}
const mine = () => document.pointerLockElement === canvas;
canvas.addEventListener("mousedown", (event) => {
  canvas.focus();
  event.preventDefault();
  if (!mine()) { canvas.requestPointerLock?.(); return; }
  buttons |= BUTTONS[event.button] ?? 0;
  point();
});
addEventListener("mouseup", (event) => { if (buttons) { buttons &= ~(BUTTONS[event.button] ?? 0); point(); } });
canvas.addEventListener("mousemove", (event) => {
  if (!mine()) return;
  right += event.movementX;
  below += event.movementY;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; point(); });
});
canvas.addEventListener("wheel", (event) => {
  if (!mine()) return;
  event.preventDefault();
  point(event.deltaY < 0 ? 8 : 16);
  point();
}, { passive: false });
canvas.addEventListener("contextmenu", (event) => event.preventDefault());

// Buttons.
const press = (id, action) => document.getElementById(id).addEventListener("click", () => { action(); canvas.focus(); });
press("keys", () => {
  const chord = ["ControlLeft", "AltLeft", "Delete"].map((name) => CODE[name]);
  chord.forEach((code) => key(code, true));
  chord.reverse().forEach((code) => key(code, false));
});
press("picture", () => canvas.toBlob((blob) => {
  const link = document.createElement("a");
  link.download = "screen.png";
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}));
// Over the connection that there is: a new one may be taken for a viewer's if it is slow to speak.
const want = (name) => { if (socket.readyState === 1) socket.send(name); };
press("reset", () => want("reset"));
press("power", () => want("power"));

// Numbers, once a second: what has been since the last time.
const rows = document.getElementById("numbers");
const scaled = (n) => n >= 1e9 ? (n / 1e9).toFixed(2) + " G" : n >= 1e6 ? (n / 1e6).toFixed(2) + " M" : n >= 1e3 ? (n / 1e3).toFixed(1) + " k" : n.toFixed(0);
const share = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(2) + " %" : "–";
let before = null;
function show(now) {
  if (before && now.seconds > before.seconds) {
    const d = Object.fromEntries(Object.keys(now).map((name) => [name, now[name] - before[name]]));
    const rate = (n) => scaled(n / d.seconds) + "/s";
    const list = [
      ["MIPS", (d.instructions / d.seconds / 1e6).toFixed(1)],
      ["idle", share(d.idle, d.seconds)],
      ["translated", share(d.instructions - d.interpreted, d.instructions)],
      ["links and look-ups that hit", share(d.links + d.lookups, d.links + d.lookups + d.dispatched)],
      ["callouts", rate(d.callouts)],
      ["port accesses", rate(d.ports)],
      ["memory-mapped I/O", rate(d.mmio)],
      ["interrupts", rate(d.interrupts)],
      ["page faults", rate(d.faults)],
      ["blocks translated", rate(d.translated)],
      ["instructions in all", scaled(now.instructions)],
      ["code cache", scaled(now.cache) + "B"],
    ];
    rows.replaceChildren(...list.map(([name, value]) => {
      const row = document.createElement("div"), term = document.createElement("dt"), text = document.createElement("dd");
      [term.textContent, text.textContent] = [name, value];
      row.append(term, text);
      return row;
    }));
  }
  before = now;
}
setInterval(() => { if (!over && !document.hidden) want("numbers"); }, 1000);
