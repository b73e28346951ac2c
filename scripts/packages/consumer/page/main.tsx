import { createHubConnection } from '@hubline/client';
import { StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { chat, type Message } from '../contract.js';

function Chat() {
  const [messages, setMessages] = useState<readonly Message[]>([]);
  useEffect(() => {
    const connection = createHubConnection(chat, '/hubs/chat?user=ann', {
      receiver: { said: (message) => setMessages((earlier) => [...earlier, message]) },
    });
    void connection
      .start()
      .then(() => connection.invoke.say('hello'))
      .catch(() => undefined); // strict mode unmounts once before the first connection
    return () => void connection.stop();
  }, []);
  return (
    <ul>
      {messages.map(({ from, text }) => (
        <li key={text}>
          {from}: {text}
        </li>
      ))}
    </ul>
  );
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
);
