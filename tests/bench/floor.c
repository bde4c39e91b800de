/* What the same work takes in C with libubox and libuci, as a daemon would write it: the baseline of the bench. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <libubox/blobmsg.h>
#include <uci.h>

#define STRINGS 1000

static char names[STRINGS][16], values[STRINGS][48];

/* A message of 1000 strings, which are at hand, put together repeats times in one reused buffer; its length. */
size_t floor_encode(int repeats)
{
	static struct blob_buf buffer;

	for (int n = 0; n < STRINGS; n++) {
		snprintf(names[n], sizeof(names[n]), "key%d", n);
		snprintf(values[n], sizeof(values[n]), "some value number %d", n);
	}
	for (int i = 0; i < repeats; i++) {
		blobmsg_buf_init(&buffer);
		for (int n = 0; n < STRINGS; n++)
			blobmsg_add_string(&buffer, names[n], values[n]);
	}
	return blob_len(buffer.head);
}

/* The walk of a message: every element checked, its name and its string looked at. */
size_t floor_decode(const char *data, size_t length, int repeats)
{
	size_t sum = 0;

	for (int i = 0; i < repeats; i++) {
		struct blob_attr *element = (struct blob_attr *)data;
		size_t left = length;

		__blob_for_each_attr(element, data, left) {
			if (!blobmsg_check_attr_len(element, true, left))
				return 0;
			sum += strlen(blobmsg_name(element)) + strlen(blobmsg_get_string(element));
		}
	}
	return sum;
}

static size_t walk(struct uci_package *package)
{
	struct uci_element *section, *option, *item;
	size_t sum = 0;

	uci_foreach_element(&package->sections, section) {
		sum += strlen(section->name);
		uci_foreach_element(&uci_to_section(section)->options, option) {
			struct uci_option *value = uci_to_option(option);

			sum += strlen(option->name);
			if (value->type == UCI_TYPE_STRING)
				sum += strlen(value->v.string);
			else
				uci_foreach_element(&value->v.list, item) sum += strlen(item->name);
		}
	}
	return sum;
}

/* Load and walk packages package0, package1, ...; returns what was seen, 0 after an error. */
size_t floor_uci(const char *confdir, const char *savedir, int packages)
{
	size_t sum = 0;

	for (int n = 0; n < packages; n++) {
		struct uci_context *context = uci_alloc_context();
		struct uci_package *package;
		char name[32];

		snprintf(name, sizeof(name), "package%d", n);
		uci_set_confdir(context, confdir);
		uci_set_savedir(context, savedir);
		if (uci_load(context, name, &package))
			return 0;
		sum += walk(package);
		uci_free_context(context);
	}
	return sum;
}
