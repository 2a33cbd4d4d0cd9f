"""Languages by ISO 639 code, under the names Elation may list them by.

Codes and names: ISO 639-1 (two letters) and, where Elation's own list has them, ISO 639-3 (three letters), by
the Library of Congress, registration authority of ISO 639-2: free to use. Several names are divided by ``|``;
the first is ours. ``preferred_language`` takes a name of ``GET /languages/``, never a code.
"""

NAMES = """\
aa Afar
ab Abkhazian
ae Avestan
af Afrikaans
ak Akan|Twi
am Amharic
an Aragonese
ar Arabic
as Assamese
av Avaric
ay Aymara
az Azerbaijani
ba Bashkir
be Belarusian
bg Bulgarian
bi Bislama
bm Bambara
bn Bengali|Bangla
bo Tibetan
br Breton
bs Bosnian
ca Catalan|Catalan; Valencian
ce Chechen
ch Chamorro
co Corsican
cr Cree
cs Czech
cu Church Slavic
cv Chuvash
cy Welsh
da Danish
de German
dv Divehi|Maldivian
dz Dzongkha
ee Ewe
el Greek|Greek, Modern (1453-)
en English
eo Esperanto
es Spanish|Spanish; Castilian
et Estonian
eu Basque
fa Persian|Farsi
ff Fulah|Fula
fi Finnish
fj Fijian
fo Faroese
fr French
fy Western Frisian
ga Irish
gd Gaelic|Scottish Gaelic
gl Galician
gn Guarani
gu Gujarati
gv Manx
ha Hausa
he Hebrew
hi Hindi
ho Hiri Motu
hr Croatian
ht Haitian Creole|Haitian|Haitian; Haitian Creole
hu Hungarian
hy Armenian
hz Herero
ia Interlingua
id Indonesian
ie Interlingue
ig Igbo
ii Sichuan Yi
ik Inupiaq
io Ido
is Icelandic
it Italian
iu Inuktitut
ja Japanese
jv Javanese
ka Georgian
kg Kongo
ki Kikuyu
kj Kuanyama
kk Kazakh
kl Kalaallisut|Greenlandic
km Khmer|Central Khmer|Cambodian
kn Kannada
ko Korean
kr Kanuri
ks Kashmiri
ku Kurdish
kv Komi
kw Cornish
ky Kyrgyz|Kirghiz
la Latin
lb Luxembourgish
lg Ganda
li Limburgish
ln Lingala
lo Lao
lt Lithuanian
lu Luba-Katanga
lv Latvian
mg Malagasy
mh Marshallese
mi Maori
mk Macedonian
ml Malayalam
mn Mongolian
mr Marathi
ms Malay
mt Maltese
my Burmese
na Nauru
nb Norwegian Bokmål|Norwegian
nd North Ndebele
ne Nepali
ng Ndonga
nl Dutch
nn Norwegian Nynorsk|Norwegian
no Norwegian
nr South Ndebele
nv Navajo
ny Chichewa|Nyanja
oc Occitan
oj Ojibwa|Ojibwe
om Oromo
or Oriya|Odia
os Ossetian
pa Punjabi|Panjabi
pi Pali
pl Polish
ps Pashto
pt Portuguese
qu Quechua
rm Romansh
rn Rundi|Kirundi
ro Romanian
ru Russian
rw Kinyarwanda
sa Sanskrit
sc Sardinian
sd Sindhi
se Northern Sami
sg Sango
si Sinhala|Sinhalese
sk Slovak
sl Slovenian
sm Samoan
sn Shona
so Somali
sq Albanian
sr Serbian
ss Swati
st Southern Sotho|Sotho
su Sundanese
sv Swedish
sw Swahili
ta Tamil
te Telugu
tg Tajik
th Thai
ti Tigrinya
tk Turkmen
tl Tagalog
tn Tswana
to Tongan|Tonga
tr Turkish
ts Tsonga
tt Tatar
tw Twi
ty Tahitian
ug Uighur|Uyghur
uk Ukrainian
ur Urdu
uz Uzbek
ve Venda
vi Vietnamese
vo Volapük
wa Walloon
wo Wolof
xh Xhosa
yi Yiddish
yo Yoruba
za Zhuang
zh Chinese
zu Zulu
ase American Sign Language|Sign Language
cmn Mandarin|Chinese (Mandarin)|Mandarin Chinese|Chinese
fil Filipino|Tagalog
hak Hakka|Hakka Chinese
haw Hawaiian
hmn Hmong
ilo Ilocano|Iloko
kar Karen
kea Cape Verdean Creole|Kabuverdianu
nan Min Nan|Taiwanese|Min Nan Chinese
prs Dari
quc K'iche'|Quiche
tli Tlingit
wuu Shanghainese|Wu Chinese
yue Cantonese|Chinese (Cantonese)|Yue Chinese
"""
