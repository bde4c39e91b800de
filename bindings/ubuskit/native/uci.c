/*
 * A package read by libuci, in one walk. As in blobmsg.c, whatever goes wrong is declined: ubuskit/uci/_pure.py
 * then reads the package itself and says what is wrong and in which line, or does better.
 */
#include "glue.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uci.h>

/* Since 2023 libuci prefers files of a second directory; we mean the one we were given. Absent in older ones. */
extern int uci_set_conf2dir(struct uci_context *context, const char *directory) __attribute__((weak));

/* A context that looks into these two directories alone. */
static struct uci_context *open_context(const char *confdir, const char *savedir)
{
	struct uci_context *context = uci_alloc_context();
	struct uci_element *path, *next;

	if (!context)
		return NULL;
	if (uci_set_confdir(context, confdir) || uci_set_savedir(context, savedir)) {
		uci_free_context(context);
		return NULL;
	}
	if (uci_set_conf2dir)
		uci_set_conf2dir(context, NULL);
	/* A new context has the system's savedir on its path, which would mix one router's changes into another's. */
	uci_foreach_element_safe(&context->delta_path, next, path) {
		if (!strcmp(path->name, savedir))
			continue;
		path->list.prev->next = path->list.next;
		path->list.next->prev = path->list.prev;
		free(path->name);
		free(path);
	}
	return context;
}

static PyObject *value_of(struct uci_option *option)
{
	struct uci_element *item;
	PyObject *list;

	if (option->type == UCI_TYPE_STRING)
		return string_from(option->v.string, strlen(option->v.string));
	list = PyList_New(0);
	uci_foreach_element(&option->v.list, item) {
		PyObject *value = list ? string_from(item->name, strlen(item->name)) : NULL;

		if (!value || PyList_Append(list, value))
			Py_CLEAR(list);
		Py_XDECREF(value);
		if (!list)
			break;
	}
	return list;
}

/* NULL where two options have one name, which a pending rename can bring about. */
static PyObject *options_of(struct uci_section *section, struct names *names)
{
	PyObject *options = PyDict_New();
	struct uci_element *element;
	Py_ssize_t count = 0;

	uci_foreach_element(&section->options, element) {
		PyObject *name = options ? names_get(names, element->name, strlen(element->name)) : NULL;
		PyObject *value = name ? value_of(uci_to_option(element)) : NULL;

		if (!value || PyDict_SetItem(options, name, value) || PyDict_Size(options) != ++count)
			Py_CLEAR(options);
		Py_XDECREF(name);
		Py_XDECREF(value);
		if (!options)
			break;
	}
	return options;
}

/*
 * One more Section. Its fields are set past __init__, which for a frozen dataclass costs as much as reading twenty
 * options: PyObject_GenericSetAttr is what object.__setattr__ does there for each.
 */
static PyObject *new_section(PyTypeObject *class, PyObject *name, PyObject *type, PyObject *anonymous, PyObject *options)
{
	static const char *const fields[4] = {"name", "type", "anonymous", "options"};
	PyObject *const values[4] = {name, type, anonymous, options};
	PyObject *section = ((allocfunc)PyType_GetSlot(class, Py_tp_alloc))(class, 0);

	for (int i = 0; section && i < 4; i++) {
		PyObject *field = PyUnicode_InternFromString(fields[i]);

		if (!field || PyObject_GenericSetAttr(section, field, values[i]))
			Py_CLEAR(section);
		Py_XDECREF(field);
	}
	return section;
}

static PyObject *section_of(PyTypeObject *class, struct uci_section *section, struct names *names)
{
	PyObject *name = string_from(section->e.name, strlen(section->e.name));
	PyObject *type = names_get(names, section->type, strlen(section->type));
	PyObject *options = options_of(section, names);
	PyObject *object = NULL;

	if (name && type && options)
		object = new_section(class, name, type, section->anonymous ? Py_True : Py_False, options);
	Py_XDECREF(name);
	Py_XDECREF(type);
	Py_XDECREF(options);
	return object;
}

static PyObject *sections_of(PyTypeObject *class, struct uci_package *package)
{
	struct names names = {0};
	PyObject *sections = PyList_New(0);
	struct uci_element *element;

	uci_foreach_element(&package->sections, element) {
		PyObject *section = sections ? section_of(class, uci_to_section(element), &names) : NULL;

		if (!section || PyList_Append(sections, section))
			Py_CLEAR(sections);
		Py_XDECREF(section);
		if (!sections)
			break;
	}
	names_clear(&names);
	return sections;
}

PyObject *uci_load_package(PyObject *self, PyObject *arguments)
{
	const char *confdir, *savedir, *name;
	struct uci_context *context;
	struct uci_package *package = NULL;
	PyObject *class, *sections = NULL;

	if (!PyArg_ParseTuple(arguments, "O!yyy", &PyType_Type, &class, &confdir, &savedir, &name))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	context = open_context(confdir, savedir);
	if (context && uci_load(context, name, &package))
		package = NULL;
	Py_END_ALLOW_THREADS
	if (package)
		sections = sections_of((PyTypeObject *)class, package);
	if (context)
		uci_free_context(context);
	if (sections)
		return sections;
	PyErr_Clear();
	Py_RETURN_NONE;
}
