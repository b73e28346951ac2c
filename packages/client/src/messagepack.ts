export { ExtensionData, messagePack, type Extension, type MessagePackOptions } from '@hubline/protocol/messagepack';
