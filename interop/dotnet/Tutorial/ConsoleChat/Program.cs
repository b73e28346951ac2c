// A chat in the console: dotnet Hubline.Interop.ConsoleChat.dll http://localhost:3000/chatHub Alice
using Microsoft.AspNetCore.SignalR.Client;

var connection = new HubConnectionBuilder()
    .WithUrl(args[0])
    .WithAutomaticReconnect()
    .Build();

connection.On<string, string>("ReceiveMessage", (user, message) => Console.WriteLine($"{user}: {message}"));

try
{
    await connection.StartAsync();
    Console.WriteLine("Connection started");
}
catch (Exception ex)
{
    Console.WriteLine(ex.Message);
    return 1;
}

while (await Console.In.ReadLineAsync() is { Length: > 0 } line)
{
    try
    {
        await connection.InvokeAsync("SendMessage", args[1], line);
    }
    catch (Exception ex)
    {
        Console.WriteLine(ex.Message);
    }
}

await connection.DisposeAsync();
return 0;
