import { defineHub } from '@hubline/protocol';

interface ChatHub {
  say(text: string): Promise<void>;
  /** Returns the number of clients that answered yes. */
  ask(question: string): Promise<number>;
  count(): Promise<number>;
}
interface ChatReceiver {
  said(from: string, text: string): void;
  confirm(question: string): Promise<boolean>;
}
export const chat = defineHub<ChatHub, ChatReceiver>('chat');
