/*
 * dict <-> blobmsg, over libubox. Only the plain cases are done here, and declined as soon as anything is unusual:
 * ubuskit/blobmsg/_pure.py then does the message from its beginning and either succeeds or words the error.
 */
#include "glue.h"

#include <string.h>

#include <libubox/blobmsg.h>

#define MAX_DEPTH 32 /* ubuskit.blobmsg.MAX_DEPTH */
#define MAX_LENGTH BLOB_ATTR_LEN_MASK
#define MAX_NAME 0xffff

/* Encoding. Every function returns whether it did its part. */

/* A Python string as UTF-8: borrowed from it, or in bytes of its own where it has surrogate escapes. */
struct text {
	const char *start;
	Py_ssize_t length;
	PyObject *owner;
};

static bool text_from(struct text *text, PyObject *string)
{
	text->owner = NULL;
	text->start = PyUnicode_AsUTF8AndSize(string, &text->length);
	if (!text->start) {
		char *start;

		PyErr_Clear();
		text->owner = PyUnicode_AsEncodedString(string, "utf-8", "surrogateescape");
		if (!text->owner || PyBytes_AsStringAndSize(text->owner, &start, &text->length))
			goto declined;
		text->start = start;
	}
	if (text->length < MAX_LENGTH && !memchr(text->start, 0, (size_t)text->length))
		return true;
declined:
	Py_CLEAR(text->owner);
	return false;
}

static bool encode_table(struct blob_buf *buffer, PyObject *table, int depth);
static bool encode_array(struct blob_buf *buffer, PyObject *array, int depth);

static bool encode_string(struct blob_buf *buffer, const char *name, PyObject *value)
{
	struct text text;
	bool done;

	if (!text_from(&text, value))
		return false;
	done = !blobmsg_add_field(buffer, BLOBMSG_TYPE_STRING, name, text.start, (unsigned int)text.length + 1);
	Py_XDECREF(text.owner);
	return done;
}

/* Index of the wrapper class a value is of, -1 for a plain integer. */
static int wrapper_of(PyObject *value)
{
	if (PyLong_CheckExact(value))
		return -1;
	for (int i = 0; i < 4; i++)
		if (PyObject_TypeCheck(value, (PyTypeObject *)integer_classes[i]))
			return i;
	return -1;
}

static bool encode_integer(struct blob_buf *buffer, const char *name, PyObject *value)
{
	int overflow, wrapper = wrapper_of(value);
	long long number = PyLong_AsLongLongAndOverflow(value, &overflow);

	if (overflow > 0 && wrapper == 3) {
		unsigned long long large = PyLong_AsUnsignedLongLong(value);

		if (PyErr_Occurred())
			return false;
		return !blobmsg_add_u64(buffer, name, large);
	}
	if (overflow || (number == -1 && PyErr_Occurred()))
		return false;
	switch (wrapper) {
	case 0:
		return number >= INT8_MIN && number <= UINT8_MAX && !blobmsg_add_u8(buffer, name, (uint8_t)number);
	case 1:
		return number >= INT16_MIN && number <= UINT16_MAX && !blobmsg_add_u16(buffer, name, (uint16_t)number);
	case 2:
		return number >= INT32_MIN && number <= UINT32_MAX && !blobmsg_add_u32(buffer, name, (uint32_t)number);
	case 3:
		return !blobmsg_add_u64(buffer, name, (uint64_t)number);
	default:
		if (number >= INT32_MIN && number <= INT32_MAX)
			return !blobmsg_add_u32(buffer, name, (uint32_t)number);
		return !blobmsg_add_u64(buffer, name, (uint64_t)number);
	}
}

static bool encode_nested(struct blob_buf *buffer, const char *name, PyObject *value, int depth)
{
	bool array = !PyDict_CheckExact(value);
	void *cookie;

	if (depth >= MAX_DEPTH)
		return false;
	cookie = blobmsg_open_nested(buffer, name, array);
	if (!cookie)
		return false;
	if (!(array ? encode_array : encode_table)(buffer, value, depth + 1))
		return false;
	blob_nest_end(buffer, cookie);
	return true;
}

static bool encode_value(struct blob_buf *buffer, const char *name, PyObject *value, int depth)
{
	if (PyUnicode_Check(value))
		return encode_string(buffer, name, value);
	if (PyBool_Check(value))
		return !blobmsg_add_u8(buffer, name, value == Py_True);
	if (PyLong_Check(value))
		return encode_integer(buffer, name, value);
	if (PyFloat_Check(value))
		return !blobmsg_add_double(buffer, name, PyFloat_AsDouble(value));
	if (PyDict_CheckExact(value) || PyList_CheckExact(value) || PyTuple_CheckExact(value))
		return encode_nested(buffer, name, value, depth);
	return false;
}

static bool encode_table(struct blob_buf *buffer, PyObject *table, int depth)
{
	PyObject *key, *value;
	Py_ssize_t position = 0;

	while (PyDict_Next(table, &position, &key, &value)) {
		struct text name;
		bool done;

		if (!PyUnicode_Check(key) || !text_from(&name, key))
			return false;
		done = name.length <= MAX_NAME && encode_value(buffer, name.start, value, depth);
		Py_XDECREF(name.owner);
		if (!done)
			return false;
	}
	return true;
}

static bool encode_array(struct blob_buf *buffer, PyObject *array, int depth)
{
	bool list = PyList_CheckExact(array);

	for (Py_ssize_t i = 0; i < (list ? PyList_Size(array) : PyTuple_Size(array)); i++) {
		PyObject *value = list ? PyList_GetItem(array, i) : PyTuple_GetItem(array, i);

		if (!value || !encode_value(buffer, NULL, value, depth))
			return false;
	}
	return true;
}

/* Doubles the buffer; libubox by itself adds 256 bytes a time. */
static bool grow(struct blob_buf *buffer, int minimum)
{
	size_t more = (size_t)(buffer->buflen > minimum ? buffer->buflen : minimum);
	void *larger;

	if (more < 1024)
		more = 1024;
	if (buffer->buflen + more > MAX_LENGTH)
		more = (size_t)minimum;
	larger = realloc(buffer->buf, buffer->buflen + more);
	if (!larger)
		return false;
	memset((char *)larger + buffer->buflen, 0, more);
	buffer->buf = larger;
	buffer->buflen += (int)more;
	return true;
}

PyObject *blobmsg_encode_table(PyObject *self, PyObject *table)
{
	struct blob_buf buffer = {.grow = grow};
	PyObject *data = NULL;

	if (PyDict_CheckExact(table) && !blobmsg_buf_init(&buffer) && encode_table(&buffer, table, 1))
		data = PyBytes_FromStringAndSize(blob_data(buffer.head), (Py_ssize_t)blob_len(buffer.head));
	blob_buf_free(&buffer);
	if (data)
		return data;
	PyErr_Clear();
	Py_RETURN_NONE;
}

/* Decoding. Every function returns a new reference, or NULL where it gives up, perhaps with an exception set. */

/* One element, found to lie within the message. */
struct element {
	int type;
	const char *name; /* NULL without one */
	size_t name_length;
	const char *value;
	size_t length;
	size_t occupied; /* all of it, with padding */
};

static uint32_t load32(const char *from)
{
	uint32_t number;

	memcpy(&number, from, sizeof(number));
	return be32_to_cpu(number);
}

static uint16_t load16(const char *from)
{
	uint16_t number;

	memcpy(&number, from, sizeof(number));
	return be16_to_cpu(number);
}

static uint64_t load64(const char *from)
{
	uint64_t number;

	memcpy(&number, from, sizeof(number));
	return be64_to_cpu(number);
}

/* The element that starts at data, of which left bytes are there; false where its lengths lie. */
static bool element_at(struct element *element, const char *data, size_t left)
{
	size_t length, header = sizeof(struct blob_attr);
	uint32_t word;

	if (left < header)
		return false;
	word = load32(data);
	length = word & BLOB_ATTR_LEN_MASK;
	element->type = (word & BLOB_ATTR_ID_MASK) >> BLOB_ATTR_ID_SHIFT;
	element->occupied = (length + BLOB_ATTR_ALIGN - 1) & ~(size_t)(BLOB_ATTR_ALIGN - 1);
	if (length < header || element->occupied > left)
		return false;
	element->name = NULL;
	element->name_length = 0;
	if (word & BLOB_ATTR_EXTENDED) {
		if (length < header + sizeof(struct blobmsg_hdr))
			return false;
		element->name = data + header + sizeof(struct blobmsg_hdr);
		element->name_length = load16(data + header);
		header += (size_t)blobmsg_hdrlen((unsigned int)element->name_length);
		if (header > length || element->name[element->name_length])
			return false;
	}
	element->value = data + header;
	element->length = length - header;
	return true;
}

static PyObject *decode_table(struct names *names, const char *data, size_t left, int depth);
static PyObject *decode_array(struct names *names, const char *data, size_t left, int depth);

static PyObject *decode_double(const char *value)
{
	uint64_t bits = load64(value);
	double number;

	memcpy(&number, &bits, sizeof(number));
	return PyFloat_FromDouble(number);
}

static PyObject *decode_value(struct names *names, const struct element *element, int depth)
{
	const char *value = element->value;
	size_t length = element->length;

	switch (element->type) {
	case BLOBMSG_TYPE_STRING:
		if (!length || value[length - 1])
			return NULL;
		return string_from(value, strlen(value));
	case BLOBMSG_TYPE_INT8:
		return length == 1 ? PyBool_FromLong(*value) : NULL;
	case BLOBMSG_TYPE_INT16:
		return length == 2 ? PyLong_FromLong((int16_t)load16(value)) : NULL;
	case BLOBMSG_TYPE_INT32:
		return length == 4 ? PyLong_FromLong((int32_t)load32(value)) : NULL;
	case BLOBMSG_TYPE_INT64:
		return length == 8 ? PyLong_FromLongLong((int64_t)load64(value)) : NULL;
	case BLOBMSG_TYPE_DOUBLE:
		return length == 8 ? decode_double(value) : NULL;
	case BLOBMSG_TYPE_TABLE:
		return depth < MAX_DEPTH ? decode_table(names, value, length, depth + 1) : NULL;
	case BLOBMSG_TYPE_ARRAY:
		return depth < MAX_DEPTH ? decode_array(names, value, length, depth + 1) : NULL;
	case BLOBMSG_TYPE_UNSPEC:
		Py_RETURN_NONE;
	default:
		return NULL;
	}
}

/* Puts an element into a table; false also for a name that is there already, of which the first must count. */
static bool put(PyObject *table, struct names *names, const struct element *element, int depth)
{
	PyObject *name, *value = NULL;
	Py_ssize_t before = PyDict_Size(table);
	bool done = false;

	if (!element->name || memchr(element->name, 0, element->name_length))
		return false;
	name = names_get(names, element->name, element->name_length);
	if (name)
		value = decode_value(names, element, depth);
	if (value)
		done = !PyDict_SetItem(table, name, value) && PyDict_Size(table) > before;
	Py_XDECREF(name);
	Py_XDECREF(value);
	return done;
}

static PyObject *decode_table(struct names *names, const char *data, size_t left, int depth)
{
	PyObject *table = PyDict_New();
	struct element element;

	for (; table && left; data += element.occupied, left -= element.occupied)
		if (!element_at(&element, data, left) || !put(table, names, &element, depth))
			Py_CLEAR(table);
	return table;
}

static PyObject *decode_array(struct names *names, const char *data, size_t left, int depth)
{
	PyObject *array = PyList_New(0);
	struct element element;

	for (; array && left; data += element.occupied, left -= element.occupied) {
		PyObject *value = NULL;

		if (element_at(&element, data, left))
			value = decode_value(names, &element, depth);
		if (!value || PyList_Append(array, value))
			Py_CLEAR(array);
		Py_XDECREF(value);
	}
	return array;
}

PyObject *blobmsg_decode_table(PyObject *self, PyObject *data)
{
	struct names names = {0};
	PyObject *table = NULL;
	Py_buffer view;

	if (!PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)) {
		table = decode_table(&names, view.buf, (size_t)view.len, 1);
		names_clear(&names);
		PyBuffer_Release(&view);
	}
	if (table)
		return table;
	PyErr_Clear();
	Py_RETURN_NONE;
}
