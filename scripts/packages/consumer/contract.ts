import { defineHub } from '@hubline/protocol';

export interface Message {
  readonly from: string;
  readonly text: string;
}
export interface ChatHub {
  say(text: string): Promise<number>;
  history(count: number): AsyncIterable<Message>;
  upload(lines: AsyncIterable<string>): Promise<number>;
}
export interface ChatReceiver {
  said(message: Message): void;
  confirm(question: string): Promise<boolean>;
}
export interface Attributes {
  role: string;
}
export const chat = defineHub<ChatHub, ChatReceiver, Attributes>('chat', { history: 'stream', upload: { uploads: 1 } });
