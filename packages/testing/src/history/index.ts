export { checkHistory, History, type HistoryOptions, type Verdict } from './history.ts';
export type { HistoryEvent, Observation } from './observation.ts';
export { SITUATIONS, type Promises, type Situation } from './situations.ts';
export { timeline } from './timeline.ts';
export type { Violation, ViolationKind } from './violation.ts';
