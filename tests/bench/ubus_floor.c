/* The floor for the client bench: a service and a client on libubus, as plain as C allows.
 *
 *   ubus_floor SOCKET serve                 an object "bench" until killed
 *   ubus_floor SOCKET MODE CALLS            CALLS calls; prints the microseconds one took
 *
 * MODE: small, reply (68 KB come back), request (68 KB go out), flight (64 at a time).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libubox/blobmsg.h>
#include <libubox/uloop.h>
#include <libubus.h>

#define STRINGS 1000
#define VALUE "a value of some forty-eight characters, more/less"
#define IN_FLIGHT 64

static struct blob_buf table, answer;
static struct ubus_request requests[IN_FLIGHT];
static struct ubus_context *ctx;
static uint32_t bench;
static int left, running;
static size_t seen;

static void fill(struct blob_buf *buf)
{
	char name[16];

	blob_buf_init(buf, 0);
	for (int i = 0; i < STRINGS; i++) {
		snprintf(name, sizeof(name), "key%04d", i);
		blobmsg_add_string(buf, name, VALUE);
	}
}

static size_t walk(struct blob_attr *msg)
{
	struct blob_attr *cur;
	size_t rem, total = 0;

	blobmsg_for_each_attr(cur, msg, rem)
		if (blobmsg_type(cur) == BLOBMSG_TYPE_STRING)
			total += strlen(blobmsg_name(cur)) + blobmsg_data_len(cur);
	return total;
}

static int small(struct ubus_context *c, struct ubus_object *obj, struct ubus_request_data *req,
		 const char *method, struct blob_attr *msg)
{
	blob_buf_init(&answer, 0);
	blobmsg_add_string(&answer, "answer", "pong");
	return ubus_send_reply(c, req, answer.head);
}

static int large(struct ubus_context *c, struct ubus_object *obj, struct ubus_request_data *req,
		 const char *method, struct blob_attr *msg)
{
	return ubus_send_reply(c, req, table.head);
}

static const struct ubus_method methods[] = {
	UBUS_METHOD_NOARG("small", small),
	UBUS_METHOD_NOARG("reply", large),
	UBUS_METHOD_NOARG("request", small),
};
static struct ubus_object_type type = UBUS_OBJECT_TYPE("bench", methods);
static struct ubus_object object = {
	.name = "bench", .type = &type, .methods = methods, .n_methods = ARRAY_SIZE(methods),
};

static void on_data(struct ubus_request *req, int kind, struct blob_attr *msg)
{
	seen += walk(msg);
}

static void start(struct ubus_request *req);

static void on_complete(struct ubus_request *req, int ret)
{
	running--;
	if (left > 0)
		start(req);
	else if (!running)
		uloop_end();
}

static void start(struct ubus_request *req)
{
	left--;
	running++;
	blob_buf_init(&answer, 0);
	blobmsg_add_string(&answer, "question", "ping");
	ubus_invoke_async(ctx, bench, "small", answer.head, req);
	req->data_cb = on_data;
	req->complete_cb = on_complete;
	ubus_complete_request_async(ctx, req);
}

static void call(const char *mode)
{
	struct blob_buf *args = &answer;

	if (!strcmp(mode, "request")) {
		args = &table;
		fill(args);
	} else {
		blob_buf_init(args, 0);
		blobmsg_add_string(args, "question", "ping");
	}
	if (ubus_invoke(ctx, bench, mode, args->head, on_data, NULL, 5000))
		exit(3);
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	int calls;

	if (argc < 3 || !(ctx = ubus_connect(argv[1])))
		return 2;
	uloop_init();
	ubus_add_uloop(ctx);
	fill(&table);
	if (!strcmp(argv[2], "serve")) {
		if (ubus_add_object(ctx, &object))
			return 3;
		uloop_run();
		return 0;
	}
	calls = left = atoi(argv[3]);
	if (ubus_lookup_id(ctx, "bench", &bench))
		return 3;
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (!strcmp(argv[2], "flight")) {
		for (int i = 0; i < IN_FLIGHT && left; i++)
			start(&requests[i]);
		uloop_run();
	} else {
		while (left--)
			call(argv[2]);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (!seen)
		return 3;
	printf("%.3f\n", ((to.tv_sec - from.tv_sec) * 1e9 + to.tv_nsec - from.tv_nsec) / 1e3 / calls);
	return 0;
}
