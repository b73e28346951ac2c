/** `node common.cjs <url>`: uses the packages by `require`. Prints the outcome. */
const { createHubConnection, defineHub } = require('@hubline/client');
const { createHubServer } = require('@hubline/server');
const { redisBackplane } = require('@hubline/redis');

const chat = defineHub('chat', { history: 'stream', upload: { uploads: 1 } });
const connection = createHubConnection(chat, `${process.argv[2]}/hubs/chat?user=ann`);
connection
  .start()
  .then(() => connection.invoke.say('hello'))
  .then(async (said) => {
    await connection.stop();
    console.log(JSON.stringify({ said, server: typeof createHubServer, redis: typeof redisBackplane }));
  });
