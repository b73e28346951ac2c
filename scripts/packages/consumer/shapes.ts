export interface ChatHub {
  say(text: string): Promise<number>;
  history(count: number): AsyncIterable<string>;
}
export interface ChatReceiver {
  said(text: string): void;
  confirm(question: string): Promise<boolean>;
}
export interface Attributes {
  role: string;
}
