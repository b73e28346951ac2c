'use strict';

// The hub is on another server: index.html?hub=http://localhost:3000/chatHub. In Microsoft's tutorial this line is the path '/chatHub'.
const hub = new URLSearchParams(location.search).get('hub');
const connection = new signalR.HubConnectionBuilder().withUrl(hub).build();

const sendButton = document.getElementById('sendButton');
sendButton.disabled = true;

connection.on('ReceiveMessage', (user, message) => {
  const item = document.createElement('li');
  item.textContent = `${user}: ${message}`;
  document.getElementById('messagesList').appendChild(item);
});

connection
  .start()
  .then(() => {
    sendButton.disabled = false;
  })
  .catch((error) => console.error(error.toString()));

sendButton.addEventListener('click', (event) => {
  event.preventDefault();
  const user = document.getElementById('userInput').value;
  const message = document.getElementById('messageInput').value;
  connection.invoke('SendMessage', user, message).catch((error) => console.error(error.toString()));
});
