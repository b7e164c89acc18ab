// The emulated board as a process: requests and answers are lines of JSON.
//
// {"do": "flash", "at": n, "data": base64}   put bytes into the flash, without an operation
// {"do": "read", "at": n, "size": n}         -> {"data": base64}
// {"do": "power"}                            off and on
// {"do": "low"}                              forget how deep the stack was
// {"do": "cut", "at": n, "tear": name}       power goes at the n-th operation from now; 0: never
// {"do": "type", "text": text}               on the console
// {"do": "run", "until": text, "ms": n, "wall_ms": n}
//     run until the text was printed, a simulated time has passed, power is cut, or the
//     clock on the wall says so -> {"why": "text" | "time" | "dark" | "wall", "out": text}
// Each answer has the state as well: see state().

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { Machine } from './machine.mjs';

const MAX_OUT = 200000; // characters of one run; what is older is dropped
let out = '';
const machine = new Machine(new Uint8Array(readFileSync(process.argv[2])), (bytes) => {
  out = (out + Buffer.from(bytes).toString('latin1')).slice(-MAX_OUT);
  machine.halted = true;
});

function state() {
  const { flash, low, top } = machine;
  return {
    ms: machine.mcu ? machine.now() / 1e6 : 0,
    operations: flash.operations,
    overwritten: flash.overwritten,
    resets: machine.resets,
    stack: low < top ? top - low : 0, // bytes, the most since `low`
  };
}

const acts = {
  flash: ({ at, data }) => machine.image.set(Buffer.from(data, 'base64'), at),
  read: ({ at, size }) => ({
    data: Buffer.from(machine.image.subarray(at, at + size)).toString('base64'),
  }),
  power: () => machine.power(),
  low: () => {
    machine.low = 0xffffffff;
  },
  type: ({ text }) => machine.console.type(Buffer.from(text, 'latin1')),
  cut: ({ at, tear }) => {
    machine.flash.cutAt = at ? machine.flash.operations + at : 0;
    machine.flash.tear = tear;
  },
  run: ({ until, ms, wall_ms }) => {
    const late = Date.now() + wall_ms;
    const end = machine.now() + ms * 1e6;
    out = '';
    const seen = () => until !== null && out.includes(until);
    machine.run(end, () => seen() || Date.now() > late);
    const why = machine.flash.dark ? 'dark' : seen() ? 'text' : machine.now() < end ? 'wall' : 'time';
    return { why, out };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = acts[request.do](request);
  process.stdout.write(`${JSON.stringify({ ...answer, ...state() })}\n`);
}
