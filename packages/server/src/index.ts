export type * from './backplane/index.ts';
export { allTopic, attributeTopic, groupTopic, memoryBackplane, nameIn, topicPrefix, userTopic } from './backplane/index.ts';
