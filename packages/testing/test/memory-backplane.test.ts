import { memoryBackplane } from '@hubline/server';
import { faultyBackplane } from '@hubline/testing';
import { describeBackplane } from '@hubline/testing/conformance';

/** Entries in memory are objects, which cannot become unreadable. */
const NO_STORE = { lacking: 'there is no store of bytes' };

describeBackplane('memory', { create: memoryBackplane });

describeBackplane('faulty memory', {
  create: faultyBackplane,
  faults: {
    freeze: ({ faults }, process) => faults.freeze(process),
    expire: ({ faults }, process) => faults.expire(process),
    thaw: ({ faults }, process) => faults.thaw(process),
    cut: ({ faults }, process) => faults.cut(process),
    heal: ({ faults }, process) => faults.heal(process),
    lose: NO_STORE,
    spoil: NO_STORE,
    retype: NO_STORE,
    flush: ({ faults }) => faults.flush(),
  },
});
