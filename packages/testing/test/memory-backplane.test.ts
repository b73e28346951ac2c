import { memoryBackplane } from '@hubline/server';
import { describeBackplane } from '@hubline/testing/conformance';

describeBackplane('memory', {
  create: memoryBackplane,
  faults: {
    freeze: ({ faults }, process) => faults.freeze(process),
    expire: ({ faults }, process) => faults.expire(process),
    thaw: ({ faults }, process) => faults.thaw(process),
    cut: ({ faults }, process) => faults.cut(process),
    heal: ({ faults }, process) => faults.heal(process),
  },
});
