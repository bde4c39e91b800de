/* UDP echo: "serve" answers, as simply as C does it; "load PORT SECONDS" keeps WINDOW datagrams under way and prints
 * how many came back in a second. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW 64
#define SIZE 24

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int serve(int sock)
{
	static char data[65536];

	for (;;) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		ssize_t size = recvfrom(sock, data, sizeof(data), 0, (struct sockaddr *)&peer, &length);

		if (size >= 0)
			sendto(sock, data, size, 0, (struct sockaddr *)&peer, length);
	}
}

static int load(int sock, double seconds)
{
	char data[SIZE] = { 0 };
	long answered = 0;
	double start = now(), end = start + seconds;

	for (int i = 0; i < WINDOW; i++)
		send(sock, data, sizeof(data), 0);
	while (now() < end) {
		struct pollfd ready = { .fd = sock, .events = POLLIN };

		if (poll(&ready, 1, 100) == 0) {	/* all were lost: begin again */
			for (int i = 0; i < WINDOW; i++)
				send(sock, data, sizeof(data), 0);
			continue;
		}
		while (recv(sock, data, sizeof(data), MSG_DONTWAIT) > 0) {
			answered++;
			send(sock, data, sizeof(data), 0);
		}
	}
	printf("%.0f\n", answered / (now() - start));
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc > 3 && !strcmp(argv[1], "load")) {
		address.sin_port = htons(atoi(argv[2]));
		if (connect(sock, (struct sockaddr *)&address, length))
			return 1;
		return load(sock, atof(argv[3]));
	}
	if (bind(sock, (struct sockaddr *)&address, length) || getsockname(sock, (struct sockaddr *)&address, &length))
		return 1;
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return serve(sock);
}
