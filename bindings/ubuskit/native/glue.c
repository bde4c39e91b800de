#include "glue.h"

#include <string.h>

PyObject *integer_classes[4];

static uint32_t hash_of(const char *text, size_t length)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash;
}

PyObject *string_from(const char *text, size_t length)
{
	return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "surrogateescape");
}

PyObject *names_get(struct names *names, const char *text, size_t length)
{
	struct name *name;
	PyObject *string;
	uint32_t hash;

	if (length > NAME_LENGTH)
		return string_from(text, length);
	hash = hash_of(text, length);
	name = &names->slot[(hash ^ hash >> 15) % NAME_SLOTS];
	if (name->hash == hash && name->string && name->length == length && !memcmp(name->text, text, length)) {
		Py_INCREF(name->string);
		return name->string;
	}
	string = string_from(text, length);
	if (!string)
		return NULL;
	Py_XDECREF(name->string);
	Py_INCREF(string);
	*name = (struct name){.text = text, .length = length, .hash = hash, .string = string};
	return string;
}

void names_clear(struct names *names)
{
	for (size_t i = 0; i < NAME_SLOTS; i++)
		Py_CLEAR(names->slot[i].string);
}

static PyMethodDef functions[] = {
	{"blobmsg_encode", blobmsg_encode_table, METH_O, "dict -> bytes, or None"},
	{"blobmsg_decode", blobmsg_decode_table, METH_O, "bytes-like -> dict, or None"},
	{"uci_load", uci_load_package, METH_VARARGS, "class, confdir, savedir, package -> list of class, or None"},
};

static int hand_over(PyObject *names)
{
	static const char *const classes[4] = {"Int8", "Int16", "Int32", "Int64"};

	if (!PyDict_Check(names))
		return -1;
	for (size_t i = 0; i < 4; i++) {
		PyObject *class = PyDict_GetItemString(names, classes[i]);

		if (!class)
			return -1;
		Py_INCREF(class);
		Py_XDECREF(integer_classes[i]);
		integer_classes[i] = class;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		PyObject *function = PyCFunction_NewEx(&functions[i], NULL, NULL);
		int error = !function || PyDict_SetItemString(names, functions[i].ml_name, function);

		Py_XDECREF(function);
		if (error)
			return -1;
	}
	return 0;
}

/*
 * The one function that goes through cffi: names is the id() of a dict that holds the integer classes and receives
 * the functions. cffi calls without the interpreter lock. Returns 0, or -1 with the reason lost.
 */
int ubuskit_hand_over(uintptr_t names)
{
	PyGILState_STATE state = PyGILState_Ensure();
	int error = hand_over((PyObject *)names);

	if (error)
		PyErr_Clear();
	PyGILState_Release(state);
	return error;
}
