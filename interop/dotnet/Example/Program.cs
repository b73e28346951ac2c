using Microsoft.AspNetCore.SignalR;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSignalR();
var app = builder.Build();
app.MapHub<ChatHub>("/hubs/chat");
app.Run();

public interface IChatClient
{
    Task Said(string from, string text);
    Task<bool> Confirm(string question);
}

public class ChatHub : Hub<IChatClient>
{
    public async Task Join(string room)
    {
        await Groups.AddToGroupAsync(Context.ConnectionId, room);
        await Clients.OthersInGroup(room).Said("server", "somebody has joined");
    }

    public async Task Say(string room, string text)
    {
        if (text.Length > 2000) throw new HubException("At most 2,000 characters.");
        await Clients.Group(room).Said(Context.ConnectionId, text);
    }

    public async IAsyncEnumerable<int> Count(int to)
    {
        for (var number = 0; number < to; number++) yield return await Task.FromResult(number);
    }
}
