import { useEffect, useRef, useState, type FormEvent, type ReactNode, type UIEvent } from 'react';
import { ROOMS, type ClusterMap } from '../../contract.ts';
import type { Session } from '../session.ts';
import type { Entry, View } from '../view.ts';
import { Badge } from './badge.tsx';
import { OutageCard } from './outage-card.tsx';
import { QuestionCard } from './question-card.tsx';
import { Time } from './time.tsx';

export interface ChatProps {
  readonly view: View;
  readonly cluster: ClusterMap;
  readonly session: Session;
}

export function Chat({ view, cluster, session }: ChatProps): ReactNode {
  const { room, entries, questions, connection, people, nodeId } = view;
  const rooms = [...new Set([...ROOMS, room])];
  const here = (name: string): number => [...people.values()].filter((person) => person.room === name).length;
  return (
    <main className="chat" aria-label="Chat">
      <header className="heading rooms">
        <h2 className="unseen">Rooms</h2>
        {rooms.map((name) => (
          <button key={name} className="room" type="button" aria-pressed={name === room} onClick={() => session.enter(name)}>
            {name} <span className="count">{here(name)}</span>
          </button>
        ))}
      </header>
      <Log entries={entries} room={room} />
      <div className="notes" aria-live="assertive">
        {connection.name === 'reconnecting' && (
          <OutageCard state={connection} nodeId={nodeId} cluster={cluster} onMove={(elsewhere) => void session.moveTo(elsewhere)} />
        )}
        {questions.map((question) => (
          <QuestionCard key={question.id} question={question} onAnswer={(answer) => session.answer(question.id, answer)} />
        ))}
      </div>
      <Composer room={room} isConnected={connection.name === 'connected'} onSay={(text) => session.say(text)} />
    </main>
  );
}

function Log({ entries, room }: { readonly entries: readonly Entry[]; readonly room: string }): ReactNode {
  const list = useRef<HTMLOListElement>(null);
  /** Whether the log is scrolled to its end. Otherwise it keeps its position. */
  const isAtEnd = useRef(true);
  const last = entries.at(-1)?.key;
  useEffect(() => {
    if (isAtEnd.current) list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [last]);
  const scrolled = ({ currentTarget: { scrollTop, clientHeight, scrollHeight } }: UIEvent): void => {
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_THE_END_PX;
  };
  return (
    <ol className="log" role="log" aria-label={`Messages in ${room}`} tabIndex={0} ref={list} onScroll={scrolled}>
      {entries.length === 0 && (
        <li className="log-empty">
          <p>There are no messages in {room} yet.</p>
          <p>Send a message, add a companion, or open another tab on another node.</p>
        </li>
      )}
      {entries.map((entry, index) => (
        <EntryLine key={entry.key} entry={entry} isFirst={!continues(entry, entries[index - 1])} />
      ))}
    </ol>
  );
}

const NEAR_THE_END_PX = 40;
const TOGETHER_MS = 120_000;

/** Whether a message continues that before it: the same sender, a short time later. */
function continues(entry: Entry, before: Entry | undefined): boolean {
  if (entry.type !== 'message' || before?.type !== 'message') return false;
  const { message } = before;
  return message.from === entry.message.from && message.nodeId === entry.message.nodeId && entry.message.at - message.at < TOGETHER_MS;
}

function EntryLine({ entry, isFirst }: { readonly entry: Entry; readonly isFirst: boolean }): ReactNode {
  if (entry.type === 'notice') {
    return (
      <li className="notice">
        <Time at={entry.at} />
        <Badge nodeId={entry.person.nodeId} />
        <span>
          {entry.person.name} {entry.text}
        </span>
      </li>
    );
  }
  const { from, nodeId, text, at } = entry.message;
  return (
    <li className="message" data-first={isFirst}>
      {isFirst && (
        <div className="message-head">
          <Badge nodeId={nodeId} />
          <strong>{from}</strong>
          <Time at={at} />
        </div>
      )}
      <p>{text}</p>
    </li>
  );
}

function Composer({
  room,
  isConnected,
  onSay,
}: {
  readonly room: string;
  readonly isConnected: boolean;
  readonly onSay: (text: string) => void;
}): ReactNode {
  const [text, setText] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!isConnected || !text.trim()) return;
    onSay(text.trim());
    setText('');
  };
  return (
    <form className="composer" onSubmit={submit}>
      <input
        aria-label="Message"
        placeholder={isConnected ? `Message ${room}` : 'Not connected: you can send when the connection is back'}
        value={text}
        maxLength={500}
        onChange={(event) => setText(event.target.value)}
      />
      <button className="button primary" type="submit" disabled={!isConnected}>
        Send
      </button>
    </form>
  );
}
