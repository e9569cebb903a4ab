# Writes OUTPUT, a C file that defines `const unsigned char NAME[]` and `const unsigned long NAME_len` with the bytes of
# INPUT. Run by cmake -P.
file(READ ${INPUT} bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR len "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REPEAT "." 100 line) # twenty bytes
string(REGEX REPLACE "(${line})" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "const unsigned char ${NAME}[] = {\n${bytes}\n};\nconst unsigned long ${NAME}_len = ${len};\n")
