/*
 * dns_services — walks over the records of an answer, each step bounded by its length.
 */
#include "net/dns_services.h"

#include <ares.h>
#include <math.h>
#include <string.h>

#define HEADER_BYTES   12
#define QUESTION_BYTES 4  /* behind its name: type and class */
#define RECORD_BYTES   10 /* behind its owner: type, class, TTL, length of the data */
#define SERVICE_BYTES  6  /* before its host: priority, weight, port */
#define TYPE_SRV       33
#define TTL_MAX        0x7fffffff /* RFC 2181, 8: larger ones are 0 */

struct reader {
    const unsigned char *answer;
    size_t length, at;
};

static unsigned number_at(const struct reader *reader, size_t at)
{
    return (unsigned)reader->answer[at] << 8 | reader->answer[at + 1];
}

static bool has_room(const struct reader *reader, size_t bytes)
{
    return reader->length - reader->at >= bytes;
}

/* The name that the reader is at, which it then is behind; to be freed with ares_free_string(). */
static char *read_name(struct reader *reader)
{
    char *name;
    long bytes = 0;

    if (reader->at >= reader->length ||
        ares_expand_name(reader->answer + reader->at, reader->answer, (int)reader->length, &name,
                         &bytes) != ARES_SUCCESS)
        return NULL;
    reader->at += (size_t)bytes;
    return name;
}

static bool skip_name(struct reader *reader)
{
    char *name = read_name(reader);

    if (name != NULL)
        ares_free_string(name);
    return name != NULL && reader->at <= reader->length;
}

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static bool take_host(const char *name, char host[DNS_SERVICE_HOST_BYTES])
{
    size_t length = strlen(name);

    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length >= DNS_SERVICE_HOST_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        host[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
        if (!is_host_byte(host[i]))
            return false;
    }
    host[length] = '\0';
    return true;
}

/* The reader is at the data. */
static bool read_service(const struct reader *reader, struct dns_service *service)
{
    struct reader data = {reader->answer, reader->length, reader->at + SERVICE_BYTES};

    service->priority = (uint16_t)number_at(reader, reader->at);
    service->weight = (uint16_t)number_at(reader, reader->at + 2);
    service->port = (uint16_t)number_at(reader, reader->at + 4);
    char *name = read_name(&data);
    bool is_good = name != NULL && take_host(name, service->host);
    if (name != NULL)
        ares_free_string(name);
    return is_good;
}

static double seconds_at(const struct reader *reader, size_t at)
{
    uint32_t seconds = (uint32_t)number_at(reader, at) << 16 | number_at(reader, at + 2);
    return seconds <= TTL_MAX ? seconds : 0;
}

/* One record; the list grows when it is a service that is there. */
static bool read_record(struct reader *reader, struct dns_service_list *list)
{
    if (!skip_name(reader) || !has_room(reader, RECORD_BYTES))
        return false;
    unsigned type = number_at(reader, reader->at);
    size_t length = number_at(reader, reader->at + 8);
    list->ttl = fmin(list->ttl, seconds_at(reader, reader->at + 4));
    reader->at += RECORD_BYTES;
    if (!has_room(reader, length))
        return false;
    if (type == TYPE_SRV && list->count < list->services_max) {
        struct dns_service *service = &list->services[list->count];
        if (length <= SERVICE_BYTES || !read_service(reader, service))
            return false;
        list->count += service->host[0] != '\0';
    }
    reader->at += length;
    return true;
}

bool dns_services_read(const unsigned char *answer, size_t length, struct dns_service_list *list)
{
    struct reader reader = {answer, length, HEADER_BYTES};

    list->count = 0;
    list->ttl = INFINITY;
    if (length < HEADER_BYTES)
        return false;
    unsigned questions = number_at(&reader, 4), records = number_at(&reader, 6);
    for (unsigned i = 0; i < questions; i++) {
        if (!skip_name(&reader) || !has_room(&reader, QUESTION_BYTES))
            return false;
        reader.at += QUESTION_BYTES;
    }
    for (unsigned i = 0; i < records; i++) {
        if (!read_record(&reader, list))
            return false;
    }
    if (isinf(list->ttl))
        list->ttl = 0;
    return true;
}
