/* What the parts of ubuskit._native share. */
#ifndef UBUSKIT_GLUE_H
#define UBUSKIT_GLUE_H

#include <Python.h>
#include <stdint.h>

/*
 * Strings met before. Messages and configurations repeat few names many times; one object for all of them saves
 * their creation, their hashing and their memory. A slot that is taken by another name is simply overwritten.
 */
#define NAME_SLOTS 128
#define NAME_LENGTH 48

struct name {
	const char *text; /* stays valid as long as the cache: it points into what is being read */
	size_t length;
	uint32_t hash;
	PyObject *string;
};

struct names {
	struct name slot[NAME_SLOTS];
};

/* A new reference, or NULL with an exception set. */
PyObject *names_get(struct names *names, const char *text, size_t length);
void names_clear(struct names *names);

/* UTF-8 with what is none of it as surrogate escapes. A new reference, or NULL with an exception set. */
PyObject *string_from(const char *text, size_t length);

/*
 * The functions Python gets. Each returns None where it declines: for whatever is unusual or wrong it leaves the
 * whole task to the Python implementation beside it, which knows every rare case and words every error.
 */
PyObject *blobmsg_encode_table(PyObject *self, PyObject *table);
PyObject *blobmsg_decode_table(PyObject *self, PyObject *data);
PyObject *uci_load_package(PyObject *self, PyObject *arguments);

/* The classes Int8, Int16, Int32, Int64 of ubuskit.blobmsg, in this order; set once, when the module is loaded. */
extern PyObject *integer_classes[4];

#endif
